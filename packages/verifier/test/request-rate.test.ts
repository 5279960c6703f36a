import { beforeEach, describe, expect, it } from 'vitest'
import type { Caller, Verifier } from '../src/index.js'
import { createRequestRate } from '../src/request-rate.js'
import { bearer, createIssuer, type Issuer, refusal, verifierFor } from './issuer.js'

let issuer: Issuer
let verifier: Verifier

beforeEach(async () => {
  issuer = await createIssuer()
  // The first second of a minute, so that the arithmetic below can be read.
  issuer.clock.seconds = 1_800_000_000
  verifier = verifierFor(issuer, { revocation: 'off' })
})

const tokenWith = (requests_per_hour: number, claims: object = {}) =>
  issuer.token({
    exp: issuer.clock.seconds + 90_000,
    agent_limits: { requests_per_hour },
    ...claims,
  })

describe('requests_per_hour', () => {
  it('refuses one more with the time to come back and the policy', async () => {
    const token = await tokenWith(2)
    await verifier.verify(bearer(token))
    issuer.clock.seconds += 90
    await verifier.verify(bearer(token))
    const error = await refusal(verifier.verify(bearer(token)))
    expect(error).toMatchObject({ code: 'rate_limited', status: 429 })
    expect(error.headers).toEqual({
      'Retry-After': '3570',
      'RateLimit-Policy': '"requests_per_hour";q=2;w=3600',
      RateLimit: '"requests_per_hour";r=0;t=3570',
    })
  })

  it('says in the body which limit it was, and when to come back', async () => {
    const token = await tokenWith(1)
    await verifier.verify(bearer(token))
    const response = verifier.toResponse(await refusal(verifier.verify(bearer(token))))
    expect(response.headers.get('retry-after')).toBe('3660')
    expect(await response.json()).toMatchObject({
      error: 'rate_limited',
      error_detail: 'requests_per_hour',
      limited_by: 'dlg_3',
      limit: 1,
      remaining: '0',
      retry_after: 3660,
    })
  })

  it('names the delegation above that leaves no more', async () => {
    await verifier.verify(bearer(await tokenWith(1, { agent_lineage: ['dlg_root'] })))
    const child = await tokenWith(9, { agent_lineage: ['dlg_root', 'dlg_child'] })
    const error = await refusal(verifier.verify(bearer(child)))
    expect(error.details).toMatchObject({ limited_by: 'dlg_root', limit: 1 })
  })

  it('forgets nothing before it is an hour old, and lets in again after', async () => {
    const token = await tokenWith(1)
    issuer.clock.seconds += 59
    await verifier.verify(bearer(token))
    issuer.clock.seconds += 3600
    expect(await refusal(verifier.verify(bearer(token)))).toMatchObject({ status: 429 })
    issuer.clock.seconds += 1
    await verifier.verify(bearer(token))
  })

  it('is of the delegation: another token of it refills nothing, another one is not touched', async () => {
    await verifier.verify(bearer(await tokenWith(1)))
    const again = await tokenWith(1, { jti: 'at_2' })
    expect(await refusal(verifier.verify(bearer(again)))).toMatchObject({ status: 429 })
    const sibling = await tokenWith(1, { agent_lineage: ['dlg_1', 'dlg_9'] })
    await expect(verifier.verify(bearer(sibling))).resolves.toBeTruthy()
  })

  it('counts what is below a delegation as its own: an exchange refills nothing', async () => {
    const lineage = { agent_lineage: ['dlg_root'] }
    await verifier.verify(bearer(await tokenWith(2, lineage)))
    const child = { agent_lineage: ['dlg_root', 'dlg_child'] }
    await verifier.verify(bearer(await tokenWith(2, child)))
    const other = { agent_lineage: ['dlg_root', 'dlg_other'] }
    expect(await refusal(verifier.verify(bearer(await tokenWith(2, other))))).toMatchObject({
      status: 429,
    })
    expect(await refusal(verifier.verify(bearer(await tokenWith(2, lineage))))).toMatchObject({
      status: 429,
    })
  })

  it('of nothing lets nothing in', async () => {
    expect(await refusal(verifier.verify(bearer(await tokenWith(0))))).toMatchObject({
      status: 429,
      headers: { 'Retry-After': '3600' },
    })
  })

  it('counts requests and not tokens, unless it is told to', async () => {
    const token = await tokenWith(1)
    await verifier.verify(token)
    await verifier.verify(bearer(token), { countRequest: false })
    await verifier.verify(token, { countRequest: true })
    expect(await refusal(verifier.verify(bearer(token)))).toMatchObject({ status: 429 })
  })

  it('counts only what gets in', async () => {
    const token = await tokenWith(1)
    await refusal(verifier.verify(bearer(token), { requireScope: 'docs:admin' }))
    await expect(verifier.verify(bearer(token))).resolves.toBeTruthy()
  })

  it('has the status that was asked for', async () => {
    verifier = verifierFor(issuer, { revocation: 'off', requestsStatus: 402 })
    expect(await refusal(verifier.verify(bearer(await tokenWith(0))))).toMatchObject({
      status: 402,
    })
  })

  it('is not widened by a clock that is set back, nor when it is set right again', async () => {
    const token = await tokenWith(2, { iat: issuer.clock.seconds - 9000 })
    await verifier.verify(bearer(token))
    issuer.clock.seconds -= 7200
    await verifier.verify(bearer(token))
    expect(await refusal(verifier.verify(bearer(token)))).toMatchObject({ status: 429 })
    issuer.clock.seconds += 7200
    expect(await refusal(verifier.verify(bearer(token)))).toMatchObject({ status: 429 })
  })
})

it('makes new delegations wait when its table is full, and drops those that are idle', async () => {
  let now = 0
  const rate = createRequestRate({ now: () => now, requestsStatus: 429 })
  const caller = (id: string) =>
    ({ limits: { requestsPerHour: 9 }, lineage: [id] }) as unknown as Caller
  for (let index = 0; index < 50_000; index += 1) rate.count(caller(`dlg_${index}`))
  expect(await refusal(() => rate.count(caller('dlg_new')))).toMatchObject({
    status: 503,
    reason: 'rate_table_full',
  })
  rate.count(caller('dlg_1'))
  now = 3661
  rate.count(caller('dlg_new'))
})
