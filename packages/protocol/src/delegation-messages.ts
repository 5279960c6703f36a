/** Bodies about delegations, spelt as on the wire. */
import * as z from 'zod'
import { type Actor, isActor } from './actor.js'
import { agentLimitsClaimSchema } from './agent-limits-schema.js'
import { budgetSchema } from './ledger-messages.js'
import { narrowingReportSchema } from './narrowing-report.js'

/** One of `GET {delegations_endpoint}`. */
export const delegationSchema = z.looseObject({
  delegation_id: z.string(),
  parent_id: z.string().optional(),
  /** From the root to this one. */
  lineage: z.array(z.string()),
  tenant_id: z.string().optional(),
  subject: z.string(),
  actor: z.string(),
  act: z.custom<Actor>(isActor).optional(),
  scope: z.string(),
  resources: z.array(z.string()),
  agent_limits: agentLimitsClaimSchema,
  rule_ids: z.array(z.string()).optional(),
  created_at: z.string(),
  expires_at: z.string().optional(),
  last_used_at: z.string().optional(),
  budget: budgetSchema.optional(),
})
export type Delegation = z.infer<typeof delegationSchema>

/** `GET {delegations_endpoint}` */
export const delegationPageSchema = z.looseObject({
  delegations: z.array(delegationSchema),
  next_cursor: z.string().optional(),
})

const ruleIds = z.array(z.string()).optional()

/** `POST {delegation_check_endpoint}`. A no has the members of an error body (RFC 6749 §5.2). */
export const delegationCheckSchema = z.discriminatedUnion('allowed', [
  z.looseObject({
    allowed: z.literal(true),
    /** Which exchange it would be: narrow, hand_off, accept, push or pull. */
    shape: z.string(),
    scope: z.string(),
    resources: z.array(z.string()),
    agent_limits: agentLimitsClaimSchema,
    expires_in: z.number(),
    rule_ids: ruleIds,
    narrowed: narrowingReportSchema.optional().catch(undefined),
  }),
  z.looseObject({ allowed: z.literal(false), error: z.string(), rule_ids: ruleIds }),
])
