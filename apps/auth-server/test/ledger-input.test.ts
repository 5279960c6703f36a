import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { basic, openTestServer, type TestServer } from './harness.js'
import {
  checkBooks,
  configWith,
  type Line,
  lend,
  release,
  reserve,
  settle,
} from './ledger-fixtures.js'

let server: TestServer
let lent: { token: string; delegation_id: string }
let reservation: string | undefined
let before: Map<string, Line>
let keys: number

const storedKeys = async (): Promise<number> =>
  Number((await server.database.read('select count(*)::int as n from idempotency_keys', []))[0]?.n)

beforeAll(async () => {
  server = await openTestServer({
    config: configWith({
      tenants: { acme: { limits: {} } },
      clients: {
        loner: { agent_limits: {} },
        scraper: { agent_limits: { cost_budget_usd: '9007199254.999999' } },
      },
    }),
  })
  lent = await lend(server, '5')
  reservation = (await reserve(server, { ...byId(), amount_usd: '0.01' })).body.id
})
beforeEach(async () => {
  before = await checkBooks(server)
  keys = await storedKeys()
})
afterAll(() => server.close())

const byId = () => ({ delegation_id: lent.delegation_id })

/** Sends bytes as they are. A fresh key unless the headers say otherwise. */
const send = async (
  path: string,
  body: string | undefined,
  headers: Record<string, string> = {},
) => {
  const response = await server.request(`/ledger${path}`, {
    method: 'POST',
    headers: {
      Authorization: basic('docs-server'),
      'Content-Type': 'application/json',
      'Idempotency-Key': crypto.randomUUID(),
      ...headers,
    },
    ...(body !== undefined && { body }),
  })
  const text = await response.text()
  return { status: response.status, headers: response.headers, text }
}

const request = (fields: object): string =>
  JSON.stringify({ ...byId(), amount_usd: '0.01', action: 'docs.read', ...fields })

/** The same with one member as literal JSON text. */
const raw = (member: string, json: string): string => {
  const { [member]: _, ...rest } = JSON.parse(request({}))
  return `{"${member}":${json},${JSON.stringify(rest).slice(1)}`
}

const expectBadRequest = async (
  answer: Promise<{ status: number; text: string }>,
  what: unknown,
) => {
  const { status, text } = await answer
  expect([what, status, JSON.parse(text).error]).toEqual([what, 400, 'invalid_request'])
}

describe('what is refused as malformed, and leaves neither a charge nor a key', () => {
  afterEach(async () => {
    expect(await checkBooks(server)).toEqual(before)
    expect(await storedKeys()).toBe(keys)
  })

  const hostile = [
    '-1', '-0', '0.01', '1', '0', 'NaN', 'Infinity', '1e309', '9007199254740993',
    'null', 'true', '[]', '{}', '["1"]', '{"value":"1"}',
    '"-1"', '"-0"', '"+1"', '"NaN"', '"Infinity"', '"1e3"', '"1e309"', '"0x10"', '"0b1"', '"0o7"',
    '"1n"', '"01"', '"00"', '".5"', '"5."', '"1.0000001"', '"0.0000001"', '"1,5"', '"1_000"',
    '" 1"', '"1 "', '"1\\n"', '"\\u00001"', '"\\uff11"', '"\\u0661"', '"9007199255"',
    '"9007199254740992"', '"9223372036854775808"', '"99999999999999999999999999"', '""', '"$1"',
  ] // biome-ignore format: a list of amounts.

  test('an amount to reserve that is not positive decimal text', async () => {
    for (const json of [...hostile, '"0"', '"0.000000"']) {
      await expectBadRequest(send('/reservations', raw('amount_usd', json)), json)
    }
    await expectBadRequest(send('/reservations', request({ amount_usd: undefined })), 'missing')
  })

  test('an amount to settle that is not decimal text', async () => {
    const path = `/reservations/${reservation}/settle`
    for (const json of hostile) await expectBadRequest(send(path, `{"amount_usd":${json}}`), json)
    await expectBadRequest(send(path, '{}'), 'missing')
    await expectBadRequest(send(path, undefined), 'no body')
  })

  test('members that nobody knows, such as another currency', async () => {
    const extras: object[] = [
      { currency: 'EUR' },
      { currency: 'USD' },
      { unit: 'usd' },
      { decimals: 3 },
      { amount: '1' },
      { budget_id: 'tenant:acme' },
      { client_id: 'docs-server' },
      { constructor: 1 },
    ]
    for (const extra of extras) {
      await expectBadRequest(send('/reservations', request(extra)), extra)
      const settling = JSON.stringify({ amount_usd: '0', ...extra })
      await expectBadRequest(send(`/reservations/${reservation}/settle`, settling), extra)
      const releasing = JSON.stringify(extra)
      await expectBadRequest(send(`/reservations/${reservation}/release`, releasing), extra)
    }
    const release = send(`/reservations/${reservation}/release`, '{"amount_usd":"0"}')
    await expectBadRequest(release, 'release with an amount')
  })

  test('a member that is called __proto__', async () => {
    const proto = raw('__proto__', '{"amount_usd":"5"}')
    await expectBadRequest(send('/reservations', proto), proto)
  })

  test('a member that is there twice, since one reader might take the other one', async () => {
    for (const name of ['amount_usd', 'action', 'unknown']) {
      const twice = raw(name, '"0.01"').replace(/\}$/, `,"${name}":"5"}`)
      await expectBadRequest(send('/reservations', twice), twice)
    }
  })

  test('a time to live that is not 1 to 3600 whole seconds', async () => {
    for (const json of ['0', '-1', '3601', '1.5', '1e99', '"60"', 'null', 'true', '[]', '{}']) {
      await expectBadRequest(send('/reservations', raw('ttl_seconds', json)), json)
    }
  })

  test('an expiry that is neither charge nor release', async () => {
    for (const json of ['"refund"', '"CHARGE"', '""', 'null', '1', '["charge"]']) {
      await expectBadRequest(send('/reservations', raw('on_expiry', json)), json)
    }
  })

  test('an action with control characters or half a character, empty or too long', async () => {
    const bad = [
      '"docs.\\u0000"',
      '"docs.\\n"',
      '"docs.\\u007f"',
      '"docs.\\u0085"',
      '"docs.\\ud800"',
    ]
    const shapes = [
      '"docs.\\udc00x"',
      '""',
      '1',
      'null',
      '["docs.read"]',
      JSON.stringify('d'.repeat(129)),
    ]
    for (const json of [...bad, ...shapes]) {
      await expectBadRequest(send('/reservations', raw('action', json)), json)
    }
  })

  test('a delegation or token that is not text of the right shape', async () => {
    const ids = ['"dlg_"', '"dlg_\\u0000"', '"dlg_x\\n"', '"tenant:acme"', '""', '1', 'null', '{}']
    for (const json of ids) {
      await expectBadRequest(send('/reservations', raw('delegation_id', json)), json)
    }
    for (const token of ['""', '1', 'null', '{}', JSON.stringify('x'.repeat(16_385))]) {
      const body = `{"token":${token},"amount_usd":"0.01","action":"docs.read"}`
      await expectBadRequest(send('/reservations', body), token)
    }
  })

  test('an Idempotency-Key that is missing, empty, too long, not visible ASCII or there twice', async () => {
    const bodies = { reservations: request({}), settle: '{"amount_usd":"0"}', release: '{}' }
    const paths = {
      reservations: '/reservations',
      settle: `/reservations/${reservation}/settle`,
      release: `/reservations/${reservation}/release`,
    }
    for (const name of ['reservations', 'settle', 'release'] as const) {
      for (const key of ['', 'x'.repeat(256), 'a b', 'schlüssel', 'one, two']) {
        const answer = send(paths[name], bodies[name], { 'Idempotency-Key': key })
        await expectBadRequest(answer, [name, key])
      }
      const missing = server.request(`/ledger${paths[name]}`, {
        method: 'POST',
        headers: { Authorization: basic('docs-server'), 'Content-Type': 'application/json' },
        body: bodies[name],
      })
      expect((await missing).status).toBe(400)
      const twice = new Headers({
        Authorization: basic('docs-server'),
        'Content-Type': 'application/json',
      })
      twice.append('Idempotency-Key', 'same')
      twice.append('Idempotency-Key', 'same')
      const init = { method: 'POST', headers: twice, body: bodies[name] }
      expect((await server.request(`/ledger${paths[name]}`, init)).status).toBe(400)
    }
  })

  test('a body that is not one JSON object', async () => {
    const deep = '['.repeat(30_000) + ']'.repeat(30_000)
    for (const body of ['', '{', 'null', '1', '"text"', '[]', 'true', '{}{}', '{"a":1,}', deep]) {
      await expectBadRequest(send('/reservations', body), body.slice(0, 20))
    }
  })

  test('a body of another type, compressed or too large, and parameters in the query', async () => {
    for (const type of [
      'text/plain',
      'application/x-www-form-urlencoded',
      'application/jsonx',
      '',
    ]) {
      const answer = send('/reservations', request({}), { 'Content-Type': type })
      await expectBadRequest(answer, type)
    }
    const gzip = await send('/reservations', request({}), { 'Content-Encoding': 'gzip' })
    expect(gzip.status).toBe(415)
    const large = await send('/reservations', request({ action: 'd'.repeat(65_536) }))
    expect(large.status).toBe(413)
    await expectBadRequest(send('/reservations?amount_usd=1', request({})), 'query')
  })

  test('methods and addresses that there are not', async () => {
    const paths = [
      ['/reservations', 'POST'],
      [`/reservations/${reservation}/settle`, 'POST'],
      [`/reservations/${reservation}/release`, 'POST'],
      [`/budgets/${lent.delegation_id}`, 'GET'],
    ] as const
    for (const [path, allowed] of paths) {
      for (const method of ['GET', 'PUT', 'PATCH', 'DELETE', 'POST', 'PURGE']) {
        if (method === allowed) continue
        const headers = { Authorization: basic('docs-server') }
        const answer = await server.request(`/ledger${path}`, { method, headers })
        expect([path, method, answer.status]).toEqual([path, method, 405])
        expect(answer.headers.get('allow')).toBe(allowed)
      }
    }
    for (const path of [
      `/reservations/${reservation}`,
      '/reservations//settle',
      '/',
      '/budgets/',
    ]) {
      expect([path, (await send(path, '{}')).status]).toEqual([path, 404])
    }
  })
})

test('the smallest, the largest and the longest that is allowed is taken', async () => {
  const key = '!'.padEnd(255, '~')
  const bodies = [
    request({ amount_usd: '0.000001', ttl_seconds: 1 }),
    request({ amount_usd: '0.010000', ttl_seconds: 3600, on_expiry: 'release' }),
    request({ action: `docs.${'d'.repeat(123)}` }),
  ]
  for (const body of bodies) expect((await send('/reservations', body)).status).toBe(201)
  expect((await send('/reservations', request({}), { 'Idempotency-Key': key })).status).toBe(201)
  const typed = { 'Content-Type': 'Application/JSON; charset=utf-8' }
  expect((await send('/reservations', request({}), typed)).status).toBe(201)
})

test('a header that speaks of a balance changes nothing', async () => {
  const answer = await send('/reservations', request({ amount_usd: '5' }), {
    'Agent-Budget': 'remaining=999000000',
    'X-Budget-Remaining': '999',
  })
  expect(answer.status).toBe(402)
})

test('a reservation can be released without a body', async () => {
  const { body } = await reserve(server, { ...byId(), amount_usd: '0.01' })
  expect((await send(`/reservations/${body.id}/release`, undefined)).status).toBe(200)
})

test('the largest cap is counted to its last unit', async () => {
  const token = (await server.clientCredentials('scraper')).body.access_token
  const largest = await reserve(server, { token, amount_usd: '9007199254.999998' })
  expect([largest.status, largest.body.remaining_usd]).toEqual([201, '0.000001'])
  const last = await reserve(server, { token, amount_usd: '0.000001' })
  expect([last.status, last.body.remaining_usd]).toEqual([201, '0'])
  const refused = await reserve(server, { token, amount_usd: '0.000001' })
  expect([refused.status, refused.body.error]).toEqual([402, 'budget_exhausted'])
  const { body } = await settle(server, largest.body.id, '9007199254.999999')
  expect(body).toMatchObject({ charged_usd: '9007199254.999998', overrun_usd: '0.000001' })
  await release(server, last.body.id)
  expect((await checkBooks(server)).get('agent:scraper')).toMatchObject({
    spent: '9007199254999998',
    held: '0',
  })
})

test('without any cap, what does not fit the count is refused and not an error', async () => {
  const token = (await server.clientCredentials('loner')).body.access_token
  const first = await reserve(server, { token, amount_usd: '9007199254.999999' })
  expect(first.status).toBe(201)
  expect(first.body).not.toHaveProperty('remaining_usd')
  await release(server, first.body.id)
  const spend = (microUsd: bigint) =>
    server.database.write(
      `update budgets set spent = spent + $1::text::bigint where id = 'agent:loner'`,
      [microUsd.toString()],
    )
  const nearlyAll = 9_223_372_036_854_775_806n
  await spend(nearlyAll)
  const full = await reserve(server, { token, amount_usd: '0.000002' })
  expect([full.status, full.body.error]).toEqual([402, 'budget_exhausted'])
  expect((await reserve(server, { token, amount_usd: '0.000001' })).status).toBe(201)
  await spend(-nearlyAll)
})

test('nothing in this file was a failure of the server', () => {
  expect(server.log.filter((line) => line.includes('"failed"'))).toEqual([])
})
