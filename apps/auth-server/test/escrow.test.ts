/** Money that is set aside for a child: guaranteed, and given back. */
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { delegateOnce, type FormFields, openTestServer, type TestServer } from './harness.js'
import {
  budget,
  checkBooks,
  configWith,
  delegationOf,
  release,
  reserve,
  settle,
} from './ledger-fixtures.js'

let server: TestServer
beforeAll(async () => {
  server = await openTestServer({
    config: configWith({ clients: { scraper: { agent_limits: {} } }, more: [admin] }),
  })
})
afterAll(() => server.close())

const admin = {
  client_id: 'root',
  kind: 'app',
  tenant_id: 'acme',
  client_secret: 'root-secret-of-32-characters',
  token_endpoint_auth_method: 'client_secret_basic',
  grant_types: ['client_credentials'],
  scope: 'admin',
}

const limits = (usd: string) => JSON.stringify({ cost_budget_usd: usd })

interface Node {
  token: string
  id: string
}

/** A parent of 2 USD; children come from the researcher to the scraper. */
let parent: Node
beforeEach(async () => {
  const { token } = await delegateOnce(server, { agent_limits: limits('2') })
  parent = { token, id: delegationOf(token) }
})

const lendTo = async (fields: FormFields): Promise<Node> => {
  const made = await delegateOnce(server, fields, 'researcher', 'scraper', parent.token)
  return { token: made.token, id: delegationOf(made.token) }
}
const setAside = (usd: string) => lendTo({ agent_limits: limits(usd), budget_mode: 'escrow' })
const share = (usd: string) => lendTo({ agent_limits: limits(usd) })

const handOff = (fields: FormFields) =>
  server.exchange('researcher', parent.token, { requested_actor: 'scraper', ...fields })

const close = (clientId: string, id: string) => server.ledger(clientId, `/budgets/${id}/close`, {})

const books = async (id: string) => {
  const { spent, held } = (await checkBooks(server)).get(id) ?? {}
  return [spent, held]
}

describe('a budget that is set aside', () => {
  test('is held on the parent from the start, and said in the answer', async () => {
    const { body } = await handOff({ agent_limits: limits('1.5'), budget_mode: 'escrow' })
    expect(body).toMatchObject({ budget_mode: 'escrow' })
    expect(await budget(server, parent.id)).toMatchObject({ held_usd: '1.5', remaining_usd: '0.5' })
  })

  test('stays the child’s own when its siblings have spent all that is left', async () => {
    const own = await setAside('1.5')
    const other = await share('2')
    expect((await reserve(server, { token: other.token, amount_usd: '0.5' })).status).toBe(201)
    expect((await reserve(server, { token: other.token, amount_usd: '0.01' })).status).toBe(402)
    const answer = await reserve(server, { token: own.token, amount_usd: '1.5' })
    expect([answer.status, answer.body.remaining_usd]).toEqual([201, '0'])
    expect(await budget(server, own.id)).toMatchObject({ mode: 'escrow', limited_by: own.id })
  })

  test('moves nothing above while it is spent', async () => {
    const own = await setAside('1')
    const before = await books(parent.id)
    const { body } = await reserve(server, { token: own.token, amount_usd: '0.4' })
    await settle(server, body.id, '0.3')
    expect(await books(parent.id)).toEqual(before)
    expect(await books(own.id)).toEqual(['300000', '0'])
  })

  test('is cut off at its own cap', async () => {
    const own = await setAside('0.5')
    const answer = await reserve(server, { token: own.token, amount_usd: '0.6' })
    expect([answer.status, answer.body.limited_by]).toEqual([402, own.id])
  })
})

describe('what is left of it goes back', () => {
  test.each([
    ['its holder', 'scraper'],
    ['whoever lent it', 'researcher'],
    ['an agent further up', 'orchestrator'],
  ])('when %s closes it', async (_, clientId) => {
    const own = await setAside('1')
    const { body } = await reserve(server, { token: own.token, amount_usd: '0.4' })
    await settle(server, body.id, '0.3')
    expect((await close(clientId, own.id)).status).toBe(200)
    expect(await books(parent.id)).toEqual(['300000', '0'])
    expect((await reserve(server, { token: own.token, amount_usd: '0.01' })).status).toBe(402)
    expect((await close(clientId, own.id)).status).toBe(200)
    expect(await books(parent.id)).toEqual(['300000', '0'])
  })

  test('when its delegation is revoked, or one above it', async () => {
    const own = await setAside('1')
    await server.revoke('scraper', own.token)
    await server.expireHolds()
    expect(await books(parent.id)).toEqual(['0', '0'])
    await setAside('1')
    await server.revoke('researcher', parent.token)
    await server.expireHolds()
    expect(await books(parent.id)).toEqual(['0', '0'])
  })

  test('when it expires', async () => {
    await setAside('1')
    server.clock.advance(1000)
    await server.expireHolds()
    expect(await books(parent.id)).toEqual(['0', '0'])
  })

  test('and what is still held stays held, and ends above as well', async () => {
    const own = await setAside('1')
    const [first, second] = [
      await reserve(server, { token: own.token, amount_usd: '0.4' }),
      await reserve(server, { token: own.token, amount_usd: '0.1' }),
    ]
    await close('researcher', own.id)
    expect(await books(parent.id)).toEqual(['0', '500000'])
    await settle(server, first.body.id, '0.25')
    await release(server, second.body.id)
    expect(await books(parent.id)).toEqual(['250000', '0'])
    expect(await books(own.id)).toEqual(['250000', '0'])
  })

  test('and a late refund comes back above as well', async () => {
    const own = await setAside('1')
    const { body } = await reserve(server, { token: own.token, amount_usd: '1', ttl_seconds: 1 })
    server.clock.advance(2)
    await server.expireHolds()
    await close('researcher', own.id)
    expect(await books(parent.id)).toEqual(['1000000', '0'])
    await settle(server, body.id, '0.1')
    expect(await books(parent.id)).toEqual(['100000', '0'])
  })

  test('to another escrow when it was carved out of one', async () => {
    const outer = await delegateOnce(server, { agent_limits: limits('2'), budget_mode: 'escrow' })
    parent = { token: outer.token, id: delegationOf(outer.token) }
    const inner = await setAside('1')
    const { body } = await reserve(server, { token: inner.token, amount_usd: '0.4' })
    await settle(server, body.id, '0.4')
    await server.revoke('researcher', outer.token)
    await server.expireHolds()
    expect(await books(inner.id)).toEqual(['400000', '0'])
    expect(await books(parent.id)).toEqual(['400000', '0'])
    expect((await checkBooks(server)).get('agent:orchestrator')?.spent).not.toBe('0')
  })
})

describe('nothing is set aside', () => {
  test('when the parent has not got it, and the delegation is not left behind', async () => {
    await setAside('1.5')
    const answer = await handOff({ agent_limits: limits('1'), budget_mode: 'escrow' })
    expect([answer.status, answer.body]).toMatchObject([
      403,
      {
        error: 'access_denied',
        error_detail: 'insufficient_budget',
        required: '1',
        remaining: '0.5',
        limited_by: parent.id,
      },
    ])
    const { body } = await server.api<{ delegations: { lineage: string[] }[] }>(
      'researcher',
      `/delegations?under=${parent.id}`,
    )
    expect(body.delegations).toHaveLength(2)
  })

  test('and the check says so beforehand', async () => {
    const asked = {
      subject_token: parent.token,
      subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      requested_actor: 'scraper',
      budget_mode: 'escrow',
    }
    const check = (usd: string) =>
      server.check('researcher', { ...asked, agent_limits: limits(usd) })
    expect((await check('2')).body.allowed).toBe(true)
    await setAside('1.5')
    expect((await check('0.5')).body.allowed).toBe(true)
    expect((await check('0.51')).body).toMatchObject({
      allowed: false,
      error_detail: 'insufficient_budget',
      remaining: '0.5',
      limited_by: parent.id,
    })
  })

  test('without a cap, for what is accepted, and for a mode that there is not', async () => {
    const { body } = await server.clientCredentials('scraper')
    const uncapped = { requested_actor: 'loner', budget_mode: 'escrow' }
    const refused = await server.exchange('scraper', body.access_token, uncapped)
    expect([refused.status, refused.body.error_detail]).toEqual([400, 'escrow_needs_cap'])
    for (const budget_mode of ['', 'private', 'ESCROW', ['escrow', 'escrow']]) {
      const answer = await handOff({ budget_mode, agent_limits: limits('1') })
      expect([answer.status, answer.body.error]).toEqual([400, 'invalid_request'])
    }
    const made = await handOff({ agent_limits: limits('1') })
    const accepted = await server.exchange('scraper', made.body.access_token, {
      budget_mode: 'escrow',
    })
    expect([accepted.status, accepted.body.error_detail]).toEqual([
      400,
      'budget_mode_not_applicable',
    ])
  })

  test('for two at once when there is enough for one', async () => {
    const asked = { agent_limits: limits('1.5'), budget_mode: 'escrow' }
    const answers = await Promise.all([handOff(asked), handOff(asked), handOff(asked)])
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
    expect(await books(parent.id)).toEqual(['0', '1500000'])
  })
})

test('only those who may revoke it may close it', async () => {
  const own = await setAside('1')
  for (const clientId of ['docs-server', 'loner', 'globex-agent']) {
    expect((await close(clientId, own.id)).status).toBe(404)
  }
  expect((await close('researcher', parent.id)).body.error_detail).toBe('not_an_escrow')
  const root = delegationOf((await server.clientCredentials('researcher')).body.access_token)
  expect((await close('researcher', root)).body.error_detail).toBe('not_an_escrow')
})

test('an admin raises it out of the parent, and lowers it as far and as soon as it is free', async () => {
  const own = await setAside('1')
  const cap = (cap_usd: string | null) =>
    server.ledger('root', `/budgets/${own.id}/cap`, { cap_usd })
  expect((await cap('1.8')).body.cap_usd).toBe('1.8')
  expect(await books(parent.id)).toEqual(['0', '1800000'])
  expect((await cap('3')).status).toBe(402)
  expect((await cap(null)).body.error_detail).toBe('escrow_needs_cap')
  const { body } = await reserve(server, { token: own.token, amount_usd: '0.7' })
  expect((await cap('0.2')).body.cap_usd).toBe('0.2')
  expect(await books(parent.id)).toEqual(['0', '700000'])
  expect((await reserve(server, { token: own.token, amount_usd: '0.01' })).status).toBe(402)
  await release(server, body.id)
  expect(await books(parent.id)).toEqual(['0', '200000'])
  expect((await reserve(server, { token: own.token, amount_usd: '0.21' })).status).toBe(402)
  expect((await reserve(server, { token: own.token, amount_usd: '0.2' })).status).toBe(201)
})

test('many that draw on different budgets are closed together, not one after the other', async () => {
  const escrows = await Promise.all(
    Array.from({ length: 12 }, async () => {
      const above = await delegateOnce(server, { agent_limits: limits('1') })
      const fields = { agent_limits: limits('0.5'), budget_mode: 'escrow' }
      const made = await delegateOnce(server, fields, 'researcher', 'scraper', above.token)
      return delegationOf(made.token)
    }),
  )
  const transactions = vi.spyOn(server.database, 'ledger')
  const closed = await Promise.all(escrows.map((id) => close('researcher', id)))
  expect(closed.map(({ status }) => status)).toEqual(escrows.map(() => 200))
  // One batch or a few, each with a second round for the budgets above.
  expect(transactions.mock.calls.length).toBeLessThan(escrows.length)
  transactions.mockRestore()
  await checkBooks(server)
})
