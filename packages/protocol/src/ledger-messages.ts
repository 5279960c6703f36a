/** What is asked of the ledger's endpoints, and a budget as they tell it, spelt as on the wire. Amounts are decimal text of USD. */
import * as z from 'zod'
import { cleanText, delegationId } from './identifier-schemas.js'
import { parseUsd } from './money.js'

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

/** What is charged: named by the token that was presented, or by its delegation. */
const charged = {
  token: z.string().min(1).max(16_384).optional(),
  delegation_id: delegationId.optional(),
}

const namesOne = (body: { token?: unknown; delegation_id?: unknown }): boolean =>
  (body.token === undefined) !== (body.delegation_id === undefined)

const namesOneProblem = {
  message: 'needs exactly one of token and delegation_id',
  path: ['token'],
}

/** What happens to a reservation that nobody settles: money is charged, since the effect may stand. */
export const onExpiry = z.enum(['charge', 'release'])

/** `POST {agent_budget_endpoint}/reservations` */
export const reservationRequestSchema = z
  .strictObject({
    ...charged,
    amount_usd: positiveAmount,
    action: cleanText(128),
    ttl_seconds: z.int().min(1).max(3600).default(60),
    on_expiry: onExpiry.default('charge'),
  })
  .refine(namesOne, namesOneProblem)

/** `POST {agent_budget_endpoint}/reservations/{id}/settle` */
export const settleRequestSchema = z.strictObject({ amount_usd: amountUsd })

const maxLeaseSeconds = 300
const requests = z.int().min(0).max(1_000_000_000)

/** What a holder would like to hold from now on, beyond what it has used. */
const wanted = {
  want_usd: amountUsd.optional(),
  /** The charge at hand: when not even this can be lent, the answer says `tail`. */
  need_usd: amountUsd.optional(),
  want_requests: requests.optional(),
  ttl_seconds: z.int().min(1).max(maxLeaseSeconds).default(30),
}

/** What was used since the lease was opened: totals, so that a lost report is made good by the next. */
const used = {
  /** Of each report one more: an old one that comes late changes nothing. */
  seq: z.int().min(1).max(1_000_000_000),
  spent_usd: amountUsd.optional(),
  requests: requests.optional(),
}

/** `POST {agent_budget_endpoint}/leases` */
export const leaseRequestSchema = z
  .strictObject({
    ...charged,
    ...wanted,
    /** Who holds it, of the processes of one resource server. Opening again ends its older lease. */
    holder: cleanText(64).optional(),
  })
  .refine(namesOne, namesOneProblem)
  .refine((body) => body.want_usd !== undefined || body.want_requests !== undefined, {
    message: 'needs want_usd, want_requests or both',
    path: ['want_usd'],
  })

/** `POST {agent_budget_endpoint}/leases/{id}/renew` */
export const leaseRenewalSchema = z.strictObject({ ...used, ...wanted })

/** `POST {agent_budget_endpoint}/leases/{id}/close` */
export const leaseReportSchema = z.strictObject(used)

/** Budgets that start again, in UTC; a week begins on Monday (ISO 8601). */
export const budgetPeriods = ['day', 'week', 'month'] as const
export type BudgetPeriod = (typeof budgetPeriods)[number]

/** `shared`: children draw on the parent as they spend. `escrow`: the child's cap is set aside. */
export const budgetModes = ['shared', 'escrow'] as const
export type BudgetMode = (typeof budgetModes)[number]

/** `POST {agent_budget_endpoint}/budgets/{id}/cap`, `null` to have none; for admins. */
export const capRequestSchema = z.strictObject({ cap_usd: amountUsd.nullable() })

/** `POST {agent_budget_endpoint}/budgets/{id}/top-up`, for admins. */
export const topUpRequestSchema = z.strictObject({ amount_usd: positiveAmount })

const periodBudgetSchema = z.looseObject({
  period: z.enum(budgetPeriods),
  cap_usd: z.string(),
  spent_usd: z.string(),
  held_usd: z.string(),
  renews_at: z.string(),
})

/** `GET {agent_budget_endpoint}/budgets/{delegation_id}` */
export const budgetSchema = z.looseObject({
  delegation_id: z.string(),
  mode: z.enum(budgetModes).optional(),
  cap_usd: z.string().optional(),
  spent_usd: z.string(),
  held_usd: z.string(),
  remaining_usd: z.string().optional(),
  /** The budget whose cap leaves the least: a delegation, an agent, a tenant, or a period of these. */
  limited_by: z.string().optional(),
  /** When that budget starts again, where it is a period's. */
  renews_at: z.string().optional(),
  requests_per_hour: z.int().optional(),
  /** The least that any limit on the way to the tenant has left of its hour. */
  remaining_requests: z.int().optional(),
  requests_limited_by: z.string().optional(),
  periods: z.array(periodBudgetSchema).optional(),
})
export type Budget = z.infer<typeof budgetSchema>
