/** The ledger over HTTP: reserve, settle, release, and what is left. */
import {
  delegationId,
  OAuthError,
  reservationRequestSchema,
  settleRequestSchema,
} from '@behalf/protocol'
import type { Context, Handler } from 'hono'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import { z } from 'zod'
import { notFound } from '../budgets/charge-rights.js'
import { endReservation } from '../budgets/end-reservation.js'
import { reserve } from '../budgets/reserve.js'
import { showBudget } from '../budgets/show-budget.js'
import type { Deps } from '../deps.js'
import type { Env } from '../middleware/env.js'
import type { StoredAnswer } from '../store/idempotency-keys.js'

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

const send = (c: Context, { status, body }: StoredAnswer): Response =>
  c.json(body, status as ContentfulStatusCode, {
    ...(status === 402 && { 'Content-Type': 'application/problem+json' }),
  })

const reservationId = (c: Context): string => {
  const id = c.req.param('id') ?? ''
  if (/^rsv_[A-Za-z0-9_-]{1,64}$/.test(id)) return id
  throw notFound()
}

const nothing = z.strictObject({})

export const reserveEndpoint = (deps: Deps): Handler<Env> =>
  async function reserveEndpoint(c) {
    const key = idempotencyKey(c)
    const body = parseBody(reservationRequestSchema, c.var.json)
    return send(c, await reserve(body, key, c.var.client, deps))
  }

export const settleEndpoint = (deps: Deps): Handler<Env> =>
  async function settleEndpoint(c) {
    const key = idempotencyKey(c)
    const { amount_usd: actual } = parseBody(settleRequestSchema, c.var.json)
    return send(c, await endReservation(reservationId(c), actual, key, c.var.client, deps))
  }

export const releaseEndpoint = (deps: Deps): Handler<Env> =>
  async function releaseEndpoint(c) {
    const key = idempotencyKey(c)
    parseBody(nothing, c.var.json)
    return send(c, await endReservation(reservationId(c), undefined, key, c.var.client, deps))
  }

export const budgetEndpoint = (deps: Deps): Handler<Env> =>
  async function budgetEndpoint(c) {
    const id = delegationId.safeParse(c.req.param('id'))
    if (!id.success) throw notFound()
    return c.json(await showBudget(id.data, c.var.client, deps))
  }
