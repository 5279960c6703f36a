/** Bodies that cross the wire, spelt as on the wire. */
import { z } from 'zod'
import { agentLimitsClaimSchema } from './agent-limits.js'
import { cleanText, delegationId } from './identifiers.js'
import { parseUsd } from './money.js'
import { narrowingReportSchema } from './narrowing-report.js'

/** RFC 6749 §5.1, RFC 8693 §2.2.1 */
export const tokenResponseSchema = z.looseObject({
  access_token: z.string().min(1),
  token_type: z.string().min(1),
  expires_in: z.number().positive().optional(),
  scope: z.string().optional(),
  issued_token_type: z.string().optional(),
  agent_limits: agentLimitsClaimSchema.optional(),
  /** For people to read: nothing is decided by it, so a malformed one is passed over. */
  narrowed: narrowingReportSchema.optional().catch(undefined),
})
export type TokenResponse = z.infer<typeof tokenResponseSchema>

/** RFC 7662 §2.2 */
export const introspectionResponseSchema = z.looseObject({ active: z.boolean() })
export type IntrospectionResponse = z.infer<typeof introspectionResponseSchema>

/** An amount on the wire: decimal text, never a number. */
export const amountUsd = z.string().transform((text, context) => {
  const microUsd = parseUsd(text)
  if (microUsd !== undefined) return microUsd
  context.addIssue({
    code: 'custom',
    message: 'must be decimal text such as "0.04", at most 6 decimals, not negative',
  })
  return z.NEVER
})

const positiveAmount = amountUsd.refine((microUsd) => microUsd > 0n, 'must be more than nothing')

/** What happens to a reservation that nobody settles: money is charged, since the effect may stand. */
export const onExpiry = z.enum(['charge', 'release'])

/** `POST {agent_budget_endpoint}/reservations` */
export const reservationRequestSchema = z
  .strictObject({
    token: z.string().min(1).max(16_384).optional(),
    delegation_id: delegationId.optional(),
    amount_usd: positiveAmount,
    action: cleanText(128),
    ttl_seconds: z.int().min(1).max(3600).default(60),
    on_expiry: onExpiry.default('charge'),
  })
  .refine((body) => (body.token === undefined) !== (body.delegation_id === undefined), {
    message: 'needs exactly one of token and delegation_id',
    path: ['token'],
  })

/** `POST {agent_budget_endpoint}/reservations/{id}/settle` */
export const settleRequestSchema = z.strictObject({ amount_usd: amountUsd })

export const reservationStates = [
  'reserved',
  'settled',
  'released',
  'expired_charged',
  'expired_released',
] as const
export type ReservationState = (typeof reservationStates)[number]

/** The answer to reserve, settle and release. Amounts are decimal text. */
export const reservationSchema = z.looseObject({
  id: z.string(),
  delegation_id: z.string(),
  state: z.enum(reservationStates),
  amount_usd: z.string(),
  charged_usd: z.string().optional(),
  overrun_usd: z.string().optional(),
  expires_at: z.string(),
  /** The least that any budget on the way to the tenant has left; absent when none has a cap. */
  remaining_usd: z.string().optional(),
})
export type Reservation = z.infer<typeof reservationSchema>

/** `GET {agent_budget_endpoint}/budgets/{delegation_id}` */
export const budgetSchema = z.looseObject({
  delegation_id: z.string(),
  cap_usd: z.string().optional(),
  spent_usd: z.string(),
  held_usd: z.string(),
  remaining_usd: z.string().optional(),
  /** The delegation or tenant whose cap leaves the least. */
  limited_by: z.string().optional(),
})
export type Budget = z.infer<typeof budgetSchema>

/** Claims of the signed revocation feed. `exp` of an entry: when nothing it kills can be alive. */
export const revocationFeedSchema = z.looseObject({
  iss: z.string(),
  iat: z.int(),
  cursor: z.string(),
  /** Seconds for which this answer may be believed. */
  ttl: z.int().min(1),
  revoked: z.array(z.object({ id: z.string(), exp: z.int() })),
  /** The cursor that was asked from, in an answer that is not the whole list. */
  after: z.string().optional(),
  /** True when the list is the whole of what is revoked, false when it is what came after a cursor. */
  full: z.boolean(),
})
export type RevocationFeed = z.infer<typeof revocationFeedSchema>

/** The `typ` of the signed feed, so that nothing else of the issuer passes for it. */
export const revocationFeedType = 'revocation-feed+jwt'

/** RFC 9728 §2 */
export interface ProtectedResourceMetadata {
  resource: string
  authorization_servers: readonly string[]
  scopes_supported?: readonly string[]
  bearer_methods_supported: readonly ['header']
  resource_name?: string
}

/** The `Agent-Budget` header of a success: whole micro-USD. */
export const agentBudgetHeader = (cost: bigint, remaining: bigint | undefined): string =>
  [
    `cost=${cost}`,
    ...(remaining === undefined ? [] : [`remaining=${remaining}`]),
    'unit="USD"',
    'decimals=6',
  ].join('; ')
