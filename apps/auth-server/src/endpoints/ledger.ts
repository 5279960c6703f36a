/** The ledger over HTTP: reservations, leases, caps, and what is left. */
import {
  capRequestSchema,
  delegationId,
  leaseRenewalSchema,
  leaseReportSchema,
  leaseRequestSchema,
  OAuthError,
  reservationRequestSchema,
  settleRequestSchema,
  topUpRequestSchema,
} from '@behalf/protocol'
import type { Context, Handler } from 'hono'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import { z } from 'zod'
import type { StoredAnswer } from '../budgets/book.js'
import { changeCap } from '../budgets/caps.js'
import { notFound } from '../budgets/charge-rights.js'
import { closeBudget } from '../budgets/close-budget.js'
import { endReservation } from '../budgets/end-reservation.js'
import { openLease } from '../budgets/open-lease.js'
import { endLease, renewLease } from '../budgets/renew-lease.js'
import { reserve } from '../budgets/reserve.js'
import { showBudget } from '../budgets/show-budget.js'
import { verifyLedger } from '../budgets/verification.js'
import { type Caller, requireAdmin } from '../delegations/parties.js'
import type { Deps } from '../deps.js'
import type { Env } from '../middleware/env.js'

const parseBody = <Schema extends z.ZodType>(schema: Schema, json: unknown): z.output<Schema> => {
  const result = schema.safeParse(json)
  if (result.success) return result.data
  const issue = result.error.issues[0]
  const path = issue?.path.join('.') || 'body'
  throw new OAuthError('invalid_request', {
    description: `${path}: ${issue?.message ?? 'is malformed'}.`,
    reason: 'malformed_body',
  })
}

/** Every mutation carries one, so that a repeat after a lost answer changes nothing. */
const idempotencyKey = (c: Context): string => {
  const key = c.req.header('idempotency-key')
  if (key !== undefined && /^[\x21-\x7e]{1,255}$/.test(key)) return key
  throw new OAuthError('invalid_request', {
    description: 'Idempotency-Key is missing or not visible ASCII of at most 255 characters.',
    reason: 'idempotency_key',
    hint: 'Send a fresh random key with every request, and the same one when you retry it.',
  })
}

const send = (c: Context, { status, body, headers = {} }: StoredAnswer): Response =>
  c.json(body, status as ContentfulStatusCode, {
    ...headers,
    ...((status === 402 || status === 429) && { 'Content-Type': 'application/problem+json' }),
  })

/** Unknown ids and what cannot be one look the same. */
const idOf = (c: Context, prefix: 'rsv' | 'lse'): string => {
  const id = c.req.param('id') ?? ''
  if (/^[a-z]{3}_[A-Za-z0-9_-]{1,64}$/.test(id) && id.startsWith(`${prefix}_`)) return id
  throw notFound()
}

/** `tenant:ID`, `agent:CLIENT_ID` or a delegation. */
const budgetIdOf = (c: Context): string => {
  const id = c.req.param('id') ?? ''
  if (/^(tenant|agent):[\x21-\x7e]{1,200}$/.test(id)) return id
  if (delegationId.safeParse(id).success) return id
  throw notFound()
}

const callerOf = (c: Context<Env>): Caller => ({
  client: c.get('client'),
  scope: c.get('apiScope'),
})

const nothing = z.strictObject({})

/** A change: its key, its body, and who asks. */
const mutation =
  <Schema extends z.ZodType>(
    schema: Schema,
    run: (c: Context<Env>, body: z.output<Schema>, key: string) => Promise<StoredAnswer>,
  ): Handler<Env> =>
  async (c) => {
    const key = idempotencyKey(c)
    return send(c, await run(c, parseBody(schema, c.get('json')), key))
  }

export const reserveEndpoint = (deps: Deps): Handler<Env> =>
  mutation(reservationRequestSchema, (c, body, key) => reserve(body, key, c.get('client'), deps))

export const settleEndpoint = (deps: Deps): Handler<Env> =>
  mutation(settleRequestSchema, (c, { amount_usd: actual }, key) =>
    endReservation(idOf(c, 'rsv'), actual, key, c.get('client'), deps),
  )

export const releaseEndpoint = (deps: Deps): Handler<Env> =>
  mutation(nothing, (c, _, key) =>
    endReservation(idOf(c, 'rsv'), undefined, key, c.get('client'), deps),
  )

export const openLeaseEndpoint = (deps: Deps): Handler<Env> =>
  mutation(leaseRequestSchema, (c, body, key) => openLease(body, key, c.get('client'), deps))

export const renewLeaseEndpoint = (deps: Deps): Handler<Env> =>
  mutation(leaseRenewalSchema, (c, body, key) =>
    renewLease(idOf(c, 'lse'), body, key, c.get('client'), deps),
  )

export const closeLeaseEndpoint = (deps: Deps): Handler<Env> =>
  mutation(leaseReportSchema, (c, body, key) =>
    endLease(idOf(c, 'lse'), body, key, c.get('client'), deps),
  )

export const capEndpoint = (deps: Deps): Handler<Env> =>
  mutation(capRequestSchema, (c, { cap_usd: cap }, key) =>
    changeCap(budgetIdOf(c), { cap: cap ?? undefined }, key, callerOf(c), deps),
  )

export const topUpEndpoint = (deps: Deps): Handler<Env> =>
  mutation(topUpRequestSchema, (c, { amount_usd: by }, key) =>
    changeCap(budgetIdOf(c), { by }, key, callerOf(c), deps),
  )

export const closeBudgetEndpoint = (deps: Deps): Handler<Env> =>
  mutation(nothing, (c, _, key) => closeBudget(budgetIdOf(c), key, callerOf(c), deps))

export const budgetEndpoint = (deps: Deps): Handler<Env> =>
  async function budgetEndpoint(c) {
    return c.json(await showBudget(budgetIdOf(c), callerOf(c), deps))
  }

/** An admin of one tenant has the books of that tenant checked. */
export const verificationEndpoint = (deps: Deps): Handler<Env> =>
  async function verificationEndpoint(c) {
    requireAdmin(callerOf(c))
    return c.json(await verifyLedger(deps.store.budgets, { tenantId: c.get('client').tenant_id }))
  }
