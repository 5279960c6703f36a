import { beforeEach, describe, expect, it, vi } from 'vitest'
import type { Caller, Verifier, VerifierOptions } from '../src/index.js'
import { createIssuer, type Issuer, type LedgerCall, refusal, verifierFor } from './issuer.js'

let issuer: Issuer
let verifier: Verifier
let caller: Caller
const log = { warn: vi.fn(), error: vi.fn() }

const credentials = { clientId: 'docs server', clientSecret: 'top:secret' }
const read = { action: 'docs.read', cost: '0.04' }

const setUp = async (options: Partial<VerifierOptions> = {}, limits: object = {}) => {
  const base = { revocation: 'off', budget: credentials, logger: log } as const
  verifier = verifierFor(issuer, { ...base, ...options })
  const agent_limits = { allowed_actions: ['docs.*'], cost_budget_usd: 2.5, ...limits }
  caller = await verifier.verify(await issuer.token({ agent_limits }))
}

const reservation = (members: object = {}) => ({
  id: 'rsv_1',
  delegation_id: 'dlg_3',
  state: 'reserved',
  amount_usd: '0.04',
  expires_at: '2027-01-15T08:01:00.000Z',
  remaining_usd: '2.46',
  ...members,
})
const problem = (status: number, error: string, members: object = {}) =>
  Response.json({ error, ...members }, { status })

const wellBehaved = ({ path, body }: LedgerCall): Response => {
  if (path === '/reservations') return Response.json(reservation(), { status: 201 })
  const state = path.endsWith('/settle') ? 'settled' : 'released'
  return Response.json(reservation({ state, charged_usd: body.amount_usd ?? '0' }))
}
/** Answers badly for the first calls of a path, then well. */
const failing = (suffix: string, times: number, bad: () => Response | Promise<Response>) => {
  let left = times
  issuer.state.ledgerAnswer = (call) => {
    if (!call.path.endsWith(suffix) || left === 0) return wellBehaved(call)
    left -= 1
    return bad()
  }
}
const paths = () => issuer.state.ledger.map(({ path }) => path)
const lost = () => Promise.reject<Response>(new TypeError('fetch failed'))

beforeEach(async () => {
  log.warn.mockClear()
  log.error.mockClear()
  issuer = await createIssuer()
  issuer.state.ledgerAnswer = wellBehaved
  await setUp()
})

describe('a charged action', () => {
  it('is reserved, run and settled, in this order', async () => {
    const ran = vi.fn(() => {
      expect(paths()).toEqual(['/reservations'])
      return 'text'
    })
    expect(await verifier.charge(caller, read, ran)).toBe('text')
    expect(ran).toHaveBeenCalledTimes(1)
    expect(paths()).toEqual(['/reservations', '/reservations/rsv_1/settle'])
    const [reserve, settle] = issuer.state.ledger
    expect(reserve?.authorization).toBe(`Basic ${btoa('docs+server:top%3Asecret')}`)
    expect(reserve?.body).toEqual({
      token: caller.token,
      amount_usd: '0.04',
      action: 'docs.read',
      ttl_seconds: 60,
      on_expiry: 'charge',
    })
    expect(settle?.body).toEqual({ amount_usd: '0.04' })
    expect(reserve?.key).toMatch(/^[\w-]{36}$/)
    expect(settle?.key).not.toBe(reserve?.key)
  })

  it('gives a receipt and the header of a success', async () => {
    const { result, receipt } = await verifier.chargeWithReceipt(caller, read, async () => 7)
    expect(result).toBe(7)
    expect(receipt).toEqual({
      action: 'docs.read',
      cost: 40_000n,
      remaining: 2_460_000n,
      reservationId: 'rsv_1',
      leaseId: undefined,
      advisory: false,
      headers: { 'Agent-Budget': 'cost=40000; remaining=2460000; unit="USD"; decimals=6' },
    })
  })

  it('settles at what it really cost', async () => {
    const options = { action: 'docs.read', cost: 40_000n, ttlSeconds: 5 }
    const { receipt } = await verifier.chargeWithReceipt(caller, options, ({ reserved, settle }) =>
      settle(reserved / 2n),
    )
    expect(issuer.state.ledger[0]?.body).toMatchObject({ amount_usd: '0.04', ttl_seconds: 5 })
    expect(issuer.state.ledger[1]?.body).toEqual({ amount_usd: '0.02' })
    expect(receipt.cost).toBe(20_000n)
  })

  it('is released when it fails, and fails as it failed', async () => {
    const error = new Error('no such page')
    await expect(
      verifier.charge(caller, read, () => {
        throw error
      }),
    ).rejects.toBe(error)
    expect(paths()).toEqual(['/reservations', '/reservations/rsv_1/release'])
  })

  it('is settled when it fails after it has said what it cost', async () => {
    const work = verifier.charge(caller, read, async ({ settle }) => {
      settle('0.01')
      throw new Error('after the effect')
    })
    await expect(work).rejects.toThrow('after the effect')
    expect(issuer.state.ledger[1]).toMatchObject({ body: { amount_usd: '0.01' } })
    expect(paths()).toEqual(['/reservations', '/reservations/rsv_1/settle'])
  })

  it('is charged in full when what it says is no amount', async () => {
    const work = verifier.charge(caller, read, ({ settle }) => settle('1e3'))
    await expect(work).rejects.toThrow(TypeError)
    expect(issuer.state.ledger[1]?.body).toEqual({ amount_usd: '0.04' })
  })

  it('is reserved on a token without a cap too, for an ancestor may have one', async () => {
    await setUp({}, { cost_budget_usd: undefined })
    await verifier.charge(caller, read, () => undefined)
    expect(paths()).toHaveLength(2)
  })

  it('asks nobody when it costs nothing', async () => {
    await verifier.charge(caller, { action: 'docs.read', cost: '0' }, () => undefined)
    expect(paths()).toEqual([])
  })
})

describe('a charge that the token rules out', () => {
  const ran = vi.fn()
  it('is refused for the action, whatever it costs', async () => {
    for (const cost of ['0', '0.04']) {
      const work = verifier.charge(caller, { action: 'mail.send', cost }, ran)
      expect(await refusal(work)).toMatchObject({ code: 'action_not_allowed', status: 403 })
    }
  })

  it('is refused for the cost of one action', async () => {
    await setUp({}, { max_cost_per_action_usd: 0.03 })
    expect(await refusal(verifier.charge(caller, read, ran))).toMatchObject({
      code: 'insufficient_budget',
      status: 402,
      reason: 'max_cost_per_action',
      details: { required: '0.04', remaining: '0.03', limited_by: 'max_cost_per_action_usd' },
    })
    await setUp({ budgetStatus: 429 }, { max_cost_per_action_usd: 0.03 })
    expect(await refusal(verifier.charge(caller, read, ran))).toMatchObject({ status: 429 })
    await verifier.charge(caller, { action: 'docs.read', cost: '0.03' }, () => undefined)
  })

  it('runs nothing and asks nobody', () => {
    expect(ran).not.toHaveBeenCalled()
    expect(paths()).toEqual([])
  })

  it.each([-1n, 'x', '-1', '1e3', '0.0000001', 0.04, 9_007_199_255_000_000n, undefined])(
    'is a mistake of the developer when it costs %s',
    async (cost) => {
      const work = verifier.charge(caller, { action: 'docs.read', cost: cost as string }, ran)
      await expect(work).rejects.toThrow(TypeError)
    },
  )
  it('is a mistake of the developer with another lifetime or no action', async () => {
    for (const wrong of [{ ttlSeconds: 0 }, { ttlSeconds: 3601 }, { action: 'docs read' }]) {
      await expect(verifier.charge(caller, { ...read, ...wrong }, ran)).rejects.toThrow(TypeError)
    }
  })
})

describe('a refusal of the ledger', () => {
  const ran = vi.fn()
  const refused = async (answer: Response, options: Partial<VerifierOptions> = {}) => {
    await setUp(options)
    issuer.state.ledger.length = 0
    issuer.state.ledgerAnswer = () => answer.clone()
    const error = await refusal(verifier.charge(caller, read, ran))
    expect(ran).not.toHaveBeenCalled()
    return error
  }
  const money = { required: '0.04', remaining: '0.01', limited_by: 'dlg_1', title: 'x', type: 'y' }

  it.each(['budget_exhausted', 'insufficient_budget'])('over money is a 402: %s', async (code) => {
    const error = await refused(problem(402, code, money))
    const { title: _, type: __, ...details } = money
    expect(error).toMatchObject({ code, status: 402 })
    expect(error.details).toEqual(details)
    expect(paths()).toHaveLength(1)
  })

  it('over money has the status that was asked for', async () => {
    const answer = problem(402, 'budget_exhausted', money)
    expect(await refused(answer, { budgetStatus: 429 })).toMatchObject({ status: 429 })
  })

  it.each(['access_denied', 'action_not_allowed'])('of the caller stays one: %s', async (code) => {
    const answer = problem(403, code, { error_detail: 'delegation_revoked' })
    expect(await refused(answer)).toMatchObject({ code, status: 403, reason: 'delegation_revoked' })
  })

  it.each([
    [401, 'invalid_client'],
    [400, 'invalid_request'],
    [404, 'not_found'],
    [409, 'idempotency_conflict'],
    [403, 'something_new'],
  ])('of this server is not blamed on the caller: %s %s', async (status, code) => {
    expect(await refused(problem(status, code))).toMatchObject({
      code: 'server_error',
      status: 503,
      reason: 'ledger_refused',
    })
    expect(log.error).toHaveBeenCalledTimes(1)
  })

  it('says so when the issuer has no ledger', async () => {
    issuer.state.metadata = { agent_budget_endpoint: undefined }
    await setUp()
    expect(await refusal(verifier.charge(caller, read, ran))).toMatchObject({
      code: 'server_error',
      reason: 'no_budget_endpoint',
    })
    const hint = 'The metadata of the issuer names no agent_budget_endpoint.'
    expect(log.error.mock.lastCall?.[1]).toEqual({
      reason: 'no_budget_endpoint',
      message: 'server_error: The ledger cannot be used by this server.',
      hint,
    })
  })
})

describe('a ledger that does not answer', () => {
  const unavailable = { code: 'temporarily_unavailable', status: 503 }
  const bad: [string, () => Response | Promise<Response>][] = [
    ['is away', lost],
    ['answers 500', () => new Response('', { status: 500 })],
    ['answers 503', () => new Response('', { status: 503 })],
    ['answers 429', () => problem(429, 'rate_limited')],
    ['answers HTML', () => new Response('<html>')],
    ['answers something else', () => Response.json({ ok: true }, { status: 201 })],
    ['redirects', () => Response.redirect('https://evil.example/', 307)],
  ]

  it.each(bad)('and %s is asked once more with the same key', async (_title, answer) => {
    failing('/reservations', 1, answer)
    expect(await verifier.charge(caller, read, () => 1)).toBe(1)
    const [first, second, settle] = issuer.state.ledger
    expect(second).toEqual(first)
    expect(settle?.path).toBe('/reservations/rsv_1/settle')
  })

  it.each(bad)('and %s twice refuses, and nothing runs', async (_title, answer) => {
    failing('/reservations', 9, answer)
    const ran = vi.fn()
    expect(await refusal(verifier.charge(caller, read, ran))).toMatchObject(unavailable)
    expect(ran).not.toHaveBeenCalled()
    expect(paths()).toHaveLength(2)
    expect(JSON.stringify(log.error.mock.calls)).not.toContain(caller.token)
    expect(issuer.state.requests.join()).not.toContain('evil')
  })

  it('is looked for once in a second, however many charges need it', async () => {
    const path = '/.well-known/oauth-authorization-server'
    await setUp()
    verifier = verifierFor(issuer, { revocation: 'off', budget: credentials, logger: log })
    const before = issuer.count(path)
    issuer.state.overrides.set(path, () => new Response('', { status: 500 }))
    for (let index = 0; index < 5; index += 1) {
      expect(await refusal(verifier.charge(caller, read, () => 1))).toMatchObject(unavailable)
    }
    expect(issuer.count(path)).toBe(before + 1)
  })

  it('is asked to settle up to three times more, with the same key, after pauses', async () => {
    const sleep = vi.fn(async () => undefined)
    await setUp({ sleep })
    failing('/settle', 3, lost)
    const { receipt } = await verifier.chargeWithReceipt(caller, read, () => 1)
    expect(receipt).toMatchObject({ cost: 40_000n, remaining: 2_460_000n })
    const settles = issuer.state.ledger.slice(1)
    expect(settles).toHaveLength(4)
    expect(new Set(settles.map(({ key }) => key)).size).toBe(1)
    expect(sleep.mock.calls).toEqual([[100], [400], [1600]])
  })

  it('keeps nobody from the result when it cannot settle: the expiry charges it', async () => {
    failing('/settle', 99, () => new Response('', { status: 500 }))
    const { result, receipt } = await verifier.chargeWithReceipt(caller, read, () => 'done')
    expect(result).toBe('done')
    expect(receipt.cost).toBe(40_000n)
    expect(issuer.state.ledger).toHaveLength(5)
    expect(log.error).toHaveBeenCalledTimes(1)
  })

  it('does not insist where it has refused to settle', async () => {
    failing('/settle', 99, () => problem(409, 'reservation_ended'))
    expect(await verifier.charge(caller, read, () => 'done')).toBe('done')
    expect(issuer.state.ledger).toHaveLength(2)
  })

  it('does not hide the failure of an action that it cannot release', async () => {
    failing('/release', 99, lost)
    const work = verifier.charge(caller, read, async () => {
      throw new Error('of the action')
    })
    await expect(work).rejects.toThrow('of the action')
    expect(log.error).toHaveBeenCalledTimes(1)
  })
})

describe('without a ledger', () => {
  const ran = vi.fn(() => 'done')
  beforeEach(() => ran.mockClear())

  it('a budget refuses, for what cannot be enforced is not unlimited', async () => {
    await setUp({ budget: undefined })
    for (let index = 0; index < 3; index += 1) {
      expect(await refusal(verifier.charge(caller, read, ran))).toMatchObject({
        code: 'access_denied',
        status: 403,
        reason: 'ledger_not_configured',
      })
    }
    expect(ran).not.toHaveBeenCalled()
    expect(log.error).toHaveBeenCalledTimes(1)
  })

  it('a budget of nothing refuses too', async () => {
    await setUp({ budget: undefined }, { cost_budget_usd: 0 })
    expect(await refusal(verifier.charge(caller, read, ran))).toMatchObject({ status: 403 })
  })

  it('what costs nothing runs', async () => {
    await setUp({ budget: undefined })
    expect(await verifier.charge(caller, { action: 'docs.read', cost: 0n }, ran)).toBe('done')
  })

  it('a token without a budget runs, within the cost of one action', async () => {
    const limits = { cost_budget_usd: undefined, max_cost_per_action_usd: 0.05 }
    await setUp({ budget: undefined }, limits)
    const { receipt } = await verifier.chargeWithReceipt(caller, read, ran)
    expect(receipt).toMatchObject({ advisory: true, cost: 40_000n, headers: {} })
    const dear = { action: 'docs.read', cost: '0.06' }
    expect(await refusal(verifier.charge(caller, dear, ran))).toMatchObject({ status: 402 })
  })

  it('advisory is an opt-out that the log says once', async () => {
    await setUp({ budget: 'advisory' })
    await verifier.charge(caller, { action: 'docs.read', cost: '0' }, ran)
    expect(log.warn).not.toHaveBeenCalled()
    for (let index = 0; index < 3; index += 1) await verifier.charge(caller, read, ran)
    expect(log.warn).toHaveBeenCalledTimes(1)
    expect(log.error).not.toHaveBeenCalled()
  })

  it('advisory is an opt-out that the receipt shows', async () => {
    await setUp({ budget: 'advisory' })
    const { result, receipt } = await verifier.chargeWithReceipt(caller, read, ({ settle }) => {
      settle('0.01')
      return 'done'
    })
    expect(result).toBe('done')
    expect(receipt).toMatchObject({ advisory: true, cost: 10_000n, remaining: undefined })
    expect(issuer.state.ledger).toEqual([])
    const other = { action: 'mail.send', cost: '0.01' }
    expect(await refusal(verifier.charge(caller, other, ran))).toMatchObject({ status: 403 })
  })
})
