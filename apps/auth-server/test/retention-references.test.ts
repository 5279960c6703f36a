/** A delegation stays for as long as anything refers to it, and a token without one is dead. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { delegateOnce, docs, issuer, openTestServer, type TestServer } from './harness.js'
import { failures } from './lease-fixtures.js'
import { delegationOf, lend, reserve, settle } from './ledger-fixtures.js'
import {
  countOf,
  day,
  expectBooksToAgree,
  isActive,
  retentionConfig,
  tokenOf,
} from './retention-fixtures.js'

let server: TestServer
beforeAll(async () => {
  server = await openTestServer({ config: retentionConfig })
})
afterAll(async () => {
  expect(failures(server)).toEqual([])
  await server.close()
})

const write = (text: string) => server.database.write(text, [])
const isKept = async (id: string) => (await countOf(server, 'delegations', `id = '${id}'`)) === 1
const at = (days: number) =>
  `'${new Date(server.clock.now().getTime() + days * day * 1000).toISOString()}'::timestamptz`

/** What may still refer to a delegation whose time is over: made, and taken away again. */
const references: Record<string, { add(id: string): string; remove(id: string): string }> = {
  'a delegation that hangs from it': {
    add: (id) => `insert into delegations (id, parent_id, lineage, subject, actor, scope, resources,
        limits, budget_ids, created_at, expires_at)
      select id || 'x', id, lineage || (id || 'x'), subject, actor, scope, resources, limits,
        budget_ids, created_at, ${at(1)} from delegations where id = '${id}'`,
    remove: (id) => `delete from delegations where id = '${id}x'`,
  },
  'a token that is remembered': {
    add: (id) => `insert into issuances (jti, delegation_id, client_id, subject, actor, scope, aud,
        issued_at, expires_at)
      values ('${id}', '${id}', 'a', 'a', 'a', '', '{}', ${at(-1)}, ${at(1)})`,
    remove: (id) => `delete from issuances where jti = '${id}'`,
  },
  'a reservation that is remembered': {
    add: (
      id,
    ) => `insert into reservations (id, delegation_id, budget_ids, client_id, action, amount,
        state, on_expiry, created_at, expires_at, ended_at)
      values ('${id}', '${id}', '{}', 'a', 'a', 1, 'settled', 'charge', ${at(-1)}, ${at(-1)}, ${at(-1)})`,
    remove: (id) => `delete from reservations where id = '${id}'`,
  },
  'an open lease': {
    add: (id) => `insert into leases (id, delegation_id, budget_ids, client_id, holder, epoch, seq,
        state, held, spent, overrun, expired, requests_held, requests_used, requests_expired,
        recalled, created_at, expires_at)
      values ('${id}', '${id}', '{}', 'a', 'a', 1, 1, 'open', 0, 0, 0, 0, 0, 0, 0, false, ${at(-1)},
        ${at(1)})`,
    remove: (id) => `delete from leases where id = '${id}'`,
  },
  'a refresh token': {
    add: (id) => `insert into refresh_tokens (token_hash, delegation_id, client_id, consent_id,
        authenticated_at, created_at, expires_at, family_expires_at)
      values ('${id}', '${id}', 'a', 'a', ${at(-1)}, ${at(-1)}, ${at(1)}, ${at(1)})`,
    remove: (id) => `delete from refresh_tokens where token_hash = '${id}'`,
  },
  'an entry of the feed': {
    add: (id) => `insert into revocations (delegation_id, cause, revoked_at, expires_at)
      values ('${id}', 'a', ${at(-1)}, ${at(1)})`,
    remove: (id) => `delete from revocations where delegation_id = '${id}'`,
  },
  'money that is held': {
    add: (id) => `update budgets set held = 1 where id = '${id}'`,
    remove: (id) => `update budgets set held = 0 where id = '${id}'`,
  },
  'money that is set aside': {
    add: (id) => `update budgets set carved = 0 where id = '${id}'`,
    remove: (id) => `update budgets set carved = null where id = '${id}'`,
  },
  'a lease that draws on its budget': {
    add: (id) => `update budgets set leases = 1 where id = '${id}'`,
    remove: (id) => `update budgets set leases = 0 where id = '${id}'`,
  },
  'requests that are held': {
    add: (id) => `update budgets set requests_held = 1 where id = '${id}'`,
    remove: (id) => `update budgets set requests_held = 0 where id = '${id}'`,
  },
}

describe('a delegation that ended long ago stays for', () => {
  test.each(Object.entries(references))('%s', async (_, { add, remove }) => {
    const { delegation_id: id } = await lend(server, '1')
    server.clock.advance(11 * day)
    await server.forgetHistory()
    server.clock.advance(11 * day)
    await write(add(id))
    await server.forgetHistory()
    expect(await isKept(id)).toBe(true)
    expect(await countOf(server, 'budgets', `id = '${id}'`)).toBe(1)
    await write(remove(id))
    await server.forgetHistory()
    expect(await isKept(id)).toBe(false)
    expect(await countOf(server, 'budgets', `id = '${id}'`)).toBe(0)
  })
})

test('a day that an escrow was carved out of stays for as long as the escrow', async () => {
  const limits = (usd: string) => JSON.stringify({ cost_budget_usd: usd })
  const parent = await delegateOnce(server, { agent_limits: limits('2') })
  const fields = { agent_limits: limits('1'), budget_mode: 'escrow' }
  const { token } = await delegateOnce(server, fields, 'researcher', 'scraper', parent.token)
  const id = delegationOf(token)
  const { body } = await reserve(server, { token, amount_usd: '0.5' })
  await settle(server, body.id, '0.5')
  const [row] = await server.database.read(
    `select unnest(drawn_from) as day from budgets where id = '${id}' order by starts_with(unnest(drawn_from), 'day:') desc`,
    [],
  )
  const drawn = String(row?.day)
  expect(drawn).toMatch(/^day:/)
  server.clock.advance(3600)
  await server.expireHolds()
  server.clock.advance(11 * day)
  await server.forgetHistory()
  const periods = await server.deps.store.retention.forget('periods', {
    before: new Date(server.clock.now().getTime() + 100 * day * 1000),
    cursor: undefined,
    limit: 500,
  })
  expect(periods.seen).toBeGreaterThan(0)
  expect(await countOf(server, 'budgets', `id = '${drawn}'`)).toBe(1)
  expect((await server.ledger('docs-server', `/budgets/${id}`)).status).toBe(200)
  for (const days of [11, 11, 40]) {
    server.clock.advance(days * day)
    await server.forgetHistory()
  }
  expect(await isKept(id)).toBe(false)
  expect(await countOf(server, 'budgets', `id = '${drawn}'`)).toBe(0)
  await expectBooksToAgree(server)
})

describe('a consent', () => {
  const agreement = {
    subject: 'usr_alice',
    client_id: 'scraper',
    tenant_id: 'acme',
    act: undefined,
    granted: { [docs]: ['docs:read'] },
    issuer,
    limits: { costBudget: 5_000_000n },
    client_limits: {},
  }
  const agree = (name: string, days: number | undefined, granted = agreement.granted) => {
    const expires_at =
      days === undefined ? undefined : new Date(server.clock.now().getTime() + days * day * 1000)
    return server.deps.store.consents.agree(
      { ...agreement, granted, expires_at },
      { consent: `cns_${name}`, delegation: `dlg_${name}` },
      server.clock.now(),
    )
  }
  const consents = (id: string) => countOf(server, 'consents', `id = '${id}'`)

  test('goes with the last of its roots, with its budget', async () => {
    await agree('first', 30)
    await agree('wider', 5)
    await write(`update delegations set expires_at = ${at(8)} where id = 'dlg_first'`)
    server.clock.advance(26 * day)
    await server.forgetHistory()
    expect([await isKept('dlg_first'), await isKept('dlg_wider')]).toEqual([true, true])
    expect(await countOf(server, 'budgets', `id = 'consent:cns_first'`)).toBe(1)
    server.clock.advance(3 * day)
    await server.forgetHistory()
    expect(await isKept('dlg_first')).toBe(false)
    server.clock.advance(day)
    await server.forgetHistory()
    expect(await isKept('dlg_wider')).toBe(false)
    expect(await consents('cns_first')).toBe(0)
    expect(await countOf(server, 'budgets', `id = 'consent:cns_first'`)).toBe(0)
  })

  test('that lives is kept whatever its age', async () => {
    await agree('alive', undefined)
    server.clock.advance(1000 * day)
    await server.forgetHistory()
    expect([await isKept('dlg_alive'), await consents('cns_alive')]).toEqual([true, 1])
  })
})

test('a token whose delegation is gone is dead wherever it is brought', async () => {
  const own = await tokenOf(server, 'orchestrator')
  const root = delegationOf(own)
  const { token, delegation_id } = await lend(server, '1')
  const admin = (await server.clientCredentials('root', { resource: issuer })).body.access_token
  await write(`delete from delegations where id = '${delegation_id}'`)
  expect(await isActive(server, token)).toBe(false)
  expect((await server.exchange('researcher', token)).body.error).toBe('invalid_request')
  expect((await reserve(server, { token, amount_usd: '0.1' })).status).toBe(403)
  expect((await reserve(server, { delegation_id, amount_usd: '0.1' })).status).toBe(404)
  // With its root gone as well, what it hung from is no reason to believe the rest.
  await write(`delete from delegations where '${root}' = any(lineage)`)
  expect(await isActive(server, own)).toBe(false)
  expect((await server.exchange('orchestrator', own)).status).toBe(400)
  await write(`delete from delegations where id = '${delegationOf(admin)}'`)
  expect((await server.api(`Bearer ${admin}`, '/delegations')).status).toBe(401)
})
