/** `agent_limits` for those who write them: the same rules, with words for what is wrong. */
import * as z from 'zod'
import {
  type AgentLimits,
  type AgentLimitsClaim,
  hardDelegationDepth,
  isActionPattern,
  maxAllowedActions,
  maxRequestsPerHour,
} from './agent-limits.js'
import { parseUsd } from './money.js'

const usd = z.union([z.string(), z.number()]).transform((value, context) => {
  const microUsd = parseUsd(value)
  if (microUsd !== undefined) return microUsd
  context.addIssue({
    code: 'custom',
    message: 'must be an amount of USD such as 2.5 or "0.04", at most 6 decimals, not negative',
  })
  return z.NEVER
})

/**
 * The wire form, strict: a member that we do not know is an error, since a limit that is ignored is
 * authority widened.
 */
export const agentLimitsSchema = z
  .strictObject({
    requests_per_hour: z.int().min(0).max(maxRequestsPerHour).optional(),
    cost_budget_usd: usd.optional(),
    max_cost_per_action_usd: usd.optional(),
    allowed_actions: z
      .array(z.string().refine(isActionPattern, 'is not an action such as docs.read or docs.*'))
      .max(maxAllowedActions)
      .optional(),
    max_delegation_depth: z.int().min(0).max(hardDelegationDepth).optional(),
  })
  .transform(
    (wire): AgentLimits => ({
      ...(wire.requests_per_hour !== undefined && { requestsPerHour: wire.requests_per_hour }),
      ...(wire.cost_budget_usd !== undefined && { costBudget: wire.cost_budget_usd }),
      ...(wire.max_cost_per_action_usd !== undefined && {
        maxCostPerAction: wire.max_cost_per_action_usd,
      }),
      ...(wire.allowed_actions !== undefined && {
        allowedActions: [...new Set(wire.allowed_actions)],
      }),
      ...(wire.max_delegation_depth !== undefined && {
        maxDelegationDepth: wire.max_delegation_depth,
      }),
    }),
  )

const claimShape = z.looseObject({
  requests_per_hour: z.number().optional(),
  cost_budget_usd: z.union([z.number(), z.string()]).optional(),
  max_cost_per_action_usd: z.union([z.number(), z.string()]).optional(),
  allowed_actions: z.array(z.string()).optional(),
  max_delegation_depth: z.number().optional(),
})

/**
 * Limits in an answer, to be shown as they are. One that we do not know is kept: only who enforces
 * limits has to know them all.
 */
export const agentLimitsClaimSchema = z.custom<AgentLimitsClaim>(
  (value) => claimShape.safeParse(value).success,
)
