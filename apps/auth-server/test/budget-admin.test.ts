/** Caps that admins move, the balances that they may read, and the books that they have checked. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { agent, issuer, openTestServer, resourceServer, type TestServer } from './harness.js'
import { failures } from './lease-fixtures.js'
import {
  budget,
  checkBooks,
  configWith,
  delegationOf,
  lend,
  release,
  reserve,
  settle,
} from './ledger-fixtures.js'

const admin = (client_id: string, tenant_id?: string) => ({
  ...resourceServer(client_id),
  tenant_id,
  scope: 'admin delegations:read',
})

const saver = (cost_budget_usd?: string) =>
  agent('saver', { agent_limits: cost_budget_usd === undefined ? {} : { cost_budget_usd } })

const configOf = (saverCap?: string, tenantCap: number | undefined = 1000) =>
  configWith({
    tenants: { acme: { limits: { cost_budget_usd: tenantCap } } },
    more: [saver(saverCap), admin('ops', 'acme'), admin('globex-ops', 'globex'), admin('root')],
  })

const config = configOf('10')

let server: TestServer
beforeAll(async () => {
  server = await openTestServer({ config })
})
afterAll(async () => {
  expect(failures(server)).toEqual([])
  await checkBooks(server)
  await server.close()
})

const pathOf = (id: string): string => `/budgets/${encodeURIComponent(id)}`

const setCap = (id: string, cap_usd: string | null, key?: string, as = 'ops') =>
  server.ledger(as, `${pathOf(id)}/cap`, { cap_usd }, key)

const topUp = (id: string, amount_usd: string, key?: string, as = 'ops') =>
  server.ledger(as, `${pathOf(id)}/top-up`, { amount_usd }, key)

const read = (id: string, as = 'ops') => server.ledger(as, pathOf(id))

const saverRoot = async (): Promise<string> =>
  delegationOf((await server.clientCredentials('saver')).body.access_token)

describe('an admin', () => {
  test('sets the cap of a delegation, an agent or a tenant, and tokens stay as they are', async () => {
    const { token, delegation_id } = await lend(server, '1')
    const { status, body } = await setCap(delegation_id, '3')
    expect([status, body]).toEqual([
      200,
      {
        budget_id: delegation_id,
        mode: 'shared',
        cap_usd: '3',
        spent_usd: '0',
        held_usd: '0',
        remaining_usd: '3',
        limited_by: delegation_id,
      },
    ])
    const { body: reservation } = await reserve(server, { token, amount_usd: '2.5' })
    expect(reservation.remaining_usd).toBe('0.5')
    await settle(server, reservation.id, '0.5')
    expect((await setCap('agent:orchestrator', '40')).body.cap_usd).toBe('40')
    expect((await setCap('tenant:acme', '0.6')).body.cap_usd).toBe('0.6')
    const refused = await reserve(server, { token, amount_usd: '0.2' })
    expect([refused.status, refused.body.limited_by]).toEqual([402, 'tenant:acme'])
    await setCap('tenant:acme', '1000')
  })

  test('leaves an entry of every change', async () => {
    const { delegation_id } = await lend(server, '1')
    await setCap(delegation_id, '2')
    await topUp(delegation_id, '0.5')
    await setCap(delegation_id, null)
    const entries = await server.database.read(
      `select kind, cap::text, spent::text, held::text from ledger_entries where ref = $1 order by id`,
      [delegation_id],
    )
    const moved = { kind: 'cap', spent: '0', held: '0' }
    expect(entries).toEqual(['2000000', '2500000', null].map((cap) => ({ ...moved, cap })))
  })

  test('tops a cap up by what it says', async () => {
    const { delegation_id } = await lend(server, '1')
    expect((await topUp(delegation_id, '0.5')).body.cap_usd).toBe('1.5')
    expect((await topUp(delegation_id, '0.25')).body.cap_usd).toBe('1.75')
    expect((await reserve(server, { delegation_id, amount_usd: '1.75' })).status).toBe(201)
  })

  test('cuts below what is used: nothing new is held, and nothing is taken from what stands', async () => {
    const { delegation_id } = await lend(server, '1')
    const { body: one } = await reserve(server, { delegation_id, amount_usd: '0.6' })
    const { body: other } = await reserve(server, { delegation_id, amount_usd: '0.2' })
    expect((await setCap(delegation_id, '0.4')).body).toMatchObject({
      cap_usd: '0.4',
      held_usd: '0.8',
      remaining_usd: '0',
    })
    const ask = () => reserve(server, { delegation_id, amount_usd: '0.1' })
    expect((await ask()).body).toMatchObject({ error: 'budget_exhausted', remaining: '0' })
    await settle(server, one.id, '0.3')
    expect((await ask()).body.error).toBe('budget_exhausted')
    await release(server, other.id)
    expect(await budget(server, delegation_id)).toMatchObject({
      cap_usd: '0.4',
      spent_usd: '0.3',
      held_usd: '0',
      remaining_usd: '0.1',
    })
    expect((await ask()).status).toBe(201)
    // What came down with the cut does not come up again by itself.
    const books = await checkBooks(server)
    expect(books.get(delegation_id)?.cap).toBe('400000')
  })

  test('raises it again after a cut, from the cap that is wanted and not from what is used', async () => {
    const { delegation_id } = await lend(server, '1')
    await reserve(server, { delegation_id, amount_usd: '0.8' })
    await setCap(delegation_id, '0.5')
    expect((await topUp(delegation_id, '0.1')).body).toMatchObject({
      cap_usd: '0.6',
      remaining_usd: '0',
    })
    expect((await topUp(delegation_id, '0.3')).body).toMatchObject({
      cap_usd: '0.9',
      remaining_usd: '0.1',
    })
    expect((await reserve(server, { delegation_id, amount_usd: '0.1' })).status).toBe(201)
    expect((await reserve(server, { delegation_id, amount_usd: '0.01' })).status).toBe(402)
  })

  test('takes a cap away, and then there is nothing to top up', async () => {
    const { delegation_id } = await lend(server, '1')
    const { body } = await setCap(delegation_id, null)
    expect(body).not.toHaveProperty('cap_usd')
    expect(body).not.toHaveProperty('remaining_usd')
    expect((await reserve(server, { delegation_id, amount_usd: '20' })).status).toBe(201)
    const none = await topUp(delegation_id, '1')
    expect([none.status, none.body.error, none.body.error_detail]).toEqual([
      400,
      'invalid_request',
      'no_cap',
    ])
    expect((await setCap(delegation_id, '5')).body).toMatchObject({
      cap_usd: '5',
      held_usd: '20',
      remaining_usd: '0',
    })
  })

  test('cannot top up beyond the largest amount that anybody can read', async () => {
    const { delegation_id } = await lend(server, '1')
    await setCap(delegation_id, '9007199254.999998')
    expect((await topUp(delegation_id, '0.000001')).body.cap_usd).toBe('9007199254.999999')
    for (const more of ['0.000001', '9007199254.999999']) {
      const { status, body } = await topUp(delegation_id, more)
      expect([status, body.error]).toEqual([400, 'invalid_request'])
    }
    expect((await read(delegation_id)).body.cap_usd).toBe('9007199254.999999')
  })

  test('changes a cap once for each key', async () => {
    const { delegation_id } = await lend(server, '1')
    const first = await topUp(delegation_id, '0.5', 'top-up-once')
    const again = await topUp(delegation_id, '0.5', 'top-up-once')
    expect([again.status, again.body]).toEqual([200, first.body])
    expect((await topUp(delegation_id, '0.6', 'top-up-once')).status).toBe(409)
    expect((await setCap(delegation_id, '0.5', 'top-up-once')).status).toBe(409)
    expect((await setCap('agent:saver', '0.5', 'top-up-once')).status).toBe(409)
    expect((await budget(server, delegation_id)).cap_usd).toBe('1.5')
    await setCap(delegation_id, '2', 'cap-once')
    await setCap(delegation_id, '3')
    await setCap(delegation_id, '2', 'cap-once')
    expect((await budget(server, delegation_id)).cap_usd).toBe('3')
  })

  test('of one tenant changes only what is of that tenant, one without a tenant all', async () => {
    const { delegation_id } = await lend(server, '1')
    const unknown = await setCap('dlg_unknown', '5')
    expect([unknown.status, unknown.body.error]).toEqual([404, 'not_found'])
    const before = await checkBooks(server)
    for (const id of [delegation_id, 'agent:saver', 'tenant:acme', 'agent:nobody', 'tenant:none']) {
      for (const answer of [
        await setCap(id, '5', undefined, 'globex-ops'),
        await topUp(id, '5', undefined, 'globex-ops'),
        await read(id, 'globex-ops'),
      ]) {
        expect([id, answer.status, answer.body]).toEqual([id, 404, unknown.body])
      }
    }
    expect(await checkBooks(server)).toEqual(before)
    expect((await setCap(delegation_id, '1.1', undefined, 'root')).status).toBe(200)
    expect((await topUp('tenant:globex', '1', undefined, 'root')).status).toBe(200)
    expect((await setCap('tenant:globex', '1000', undefined, 'globex-ops')).status).toBe(200)
  })
})

describe('whoever is no admin', () => {
  test('changes no cap, not even of its own budget', async () => {
    const { delegation_id } = await lend(server, '1')
    const before = await checkBooks(server)
    for (const client of ['orchestrator', 'researcher', 'docs-server', 'globex-docs-server']) {
      for (const id of [delegation_id, 'agent:orchestrator', 'tenant:acme', 'dlg_unknown']) {
        for (const { status, body } of [
          await setCap(id, '5', undefined, client),
          await topUp(id, '5', undefined, client),
        ]) {
          expect([client, id, status, body.error]).toEqual([client, id, 403, 'access_denied'])
        }
      }
      expect((await server.ledger(client, '/verification')).status).toBe(403)
    }
    expect(await checkBooks(server)).toEqual(before)
  })

  test('reads no balance of a tenant or an agent: they look like none', async () => {
    const unknown = await read('tenant:none')
    for (const client of ['orchestrator', 'docs-server', 'globex-docs-server']) {
      for (const id of ['tenant:acme', 'agent:orchestrator']) {
        const { status, body } = await read(id, client)
        expect([client, id, status, body]).toEqual([client, id, 404, unknown.body])
      }
    }
  })

  test('needs the scope admin also with a token of an admin', async () => {
    const token = (
      await server.clientCredentials('ops', { resource: issuer, scope: 'delegations:read' })
    ).body.access_token
    const bearer = `Bearer ${token}`
    expect((await server.api(bearer, '/ledger/verification')).status).toBe(403)
    expect((await server.api(bearer, '/ledger/budgets/tenant:acme')).status).toBe(404)
    const full = (await server.clientCredentials('ops', { resource: issuer, scope: 'admin' })).body
    expect((await server.api(`Bearer ${full.access_token}`, '/ledger/verification')).status).toBe(
      200,
    )
    for (const path of ['/ledger/verification', '/ledger/budgets/tenant:acme']) {
      expect((await server.request(path)).status).toBe(401)
    }
  })
})

test('an admin reads what a tenant and its agents have spent and hold', async () => {
  const { delegation_id } = await lend(server, '1')
  const before = (await read('tenant:acme')).body
  const { body: one } = await reserve(server, { delegation_id, amount_usd: '0.4' })
  await settle(server, one.id, '0.25')
  const { body } = await read('tenant:acme')
  expect(body).toMatchObject({
    budget_id: 'tenant:acme',
    cap_usd: '1000',
    limited_by: 'tenant:acme',
  })
  expect(Number(body.spent_usd) - Number(before.spent_usd)).toBeCloseTo(0.25, 6)
  const own = await read('agent:orchestrator', 'root')
  expect([own.status, own.body.requests_per_hour]).toEqual([200, 100])
  expect((await read(delegation_id)).body).toMatchObject({ delegation_id, spent_usd: '0.25' })
})

test('what is malformed changes no cap', async () => {
  const { delegation_id } = await lend(server, '1')
  const before = await checkBooks(server)
  const amounts = [
    '-1',
    '1e3',
    'NaN',
    '',
    '1.0000001',
    '9007199255',
    '１',
    ' 1',
    1,
    0.5,
    true,
    [],
    {},
  ]
  const send = (action: string, body: object) =>
    server.ledger('ops', `${pathOf(delegation_id)}/${action}`, body)
  for (const amount of amounts) {
    expect([amount, (await send('cap', { cap_usd: amount })).status]).toEqual([amount, 400])
    expect([amount, (await send('top-up', { amount_usd: amount })).status]).toEqual([amount, 400])
  }
  for (const [action, body] of [
    ['cap', {}],
    ['cap', { cap_usd: '1', currency: 'EUR' }],
    ['cap', { amount_usd: '1' }],
    ['top-up', {}],
    ['top-up', { amount_usd: '0' }],
    ['top-up', { amount_usd: null }],
    ['top-up', { amount_usd: '1', cap_usd: '1' }],
  ] as const) {
    expect([action, body, (await send(action, body)).status]).toEqual([action, body, 400])
  }
  const ids = ['dlg_', 'rsv_x', 'lse_x', 'agent:', 'tenant:', 'day:2026-11-21:tenant:acme', 'usr_a']
  for (const id of [...ids, `${delegation_id}\n`, 'agent:sa ver', 'agent:\u0000', 'acme', '%']) {
    expect([id, (await setCap(id, '5')).status]).toEqual([id, 404])
    expect([id, (await read(id)).status]).toEqual([id, 404])
  }
  expect(await checkBooks(server)).toEqual(before)
})

describe('a restart', () => {
  const capOf = async (): Promise<unknown> => (await read('agent:saver')).body.cap_usd

  test('with the same file leaves what an admin has set, with another word it does not', async () => {
    await setCap('agent:saver', '4')
    await server.applyConfig(config)
    expect(await capOf()).toBe('4')
    await topUp('agent:saver', '1')
    await server.applyConfig(config)
    expect(await capOf()).toBe('5')
    await server.applyConfig(configOf('12'))
    expect(await capOf()).toBe('12')
    await setCap('agent:saver', null)
    await server.applyConfig(configOf('12'))
    expect(await capOf()).toBeUndefined()
    await server.applyConfig(config)
    expect(await capOf()).toBe('10')
  })

  test('with a file that takes the cap away leaves none, and an admin may set one', async () => {
    await server.applyConfig(configOf())
    expect(await capOf()).toBeUndefined()
    await setCap('agent:saver', '2')
    await server.applyConfig(configOf())
    expect(await capOf()).toBe('2')
    await server.applyConfig(config)
    expect(await capOf()).toBe('10')
  })

  test('that cuts below what is used takes nothing from what stands', async () => {
    const delegation_id = await saverRoot()
    const { body } = await reserve(server, { delegation_id, amount_usd: '6' })
    await server.applyConfig(configOf('5'))
    expect((await read('agent:saver')).body).toMatchObject({ cap_usd: '5', remaining_usd: '0' })
    expect((await reserve(server, { delegation_id, amount_usd: '0.1' })).status).toBe(402)
    await settle(server, body.id, '1')
    expect((await reserve(server, { delegation_id, amount_usd: '4' })).status).toBe(201)
    expect((await reserve(server, { delegation_id, amount_usd: '0.1' })).status).toBe(402)
    await server.applyConfig(config)
  })
})
