/** Hostile input to leases: refused with 4xx, and it leaves neither a lease nor a key. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { basic, openTestServer, type TestServer } from './harness.js'
import { failures, leaseConfig, open, renew } from './lease-fixtures.js'
import { checkBooks, lend, reserve } from './ledger-fixtures.js'

let server: TestServer
let delegation_id: string
let lease: string
let before: unknown

const state = async () => [
  await checkBooks(server),
  await server.database.read('select * from leases order by id', []),
  await server.database.read('select count(*)::int as n from idempotency_keys', []),
]

beforeAll(async () => {
  server = await openTestServer({ config: leaseConfig })
  const lent = await lend(server, '5')
  delegation_id = lent.delegation_id
  lease = (await open(server, { delegation_id, want_usd: '0.1', ttl_seconds: 300 })).body.id
})
beforeEach(async () => {
  before = await state()
})
afterAll(async () => {
  expect(failures(server)).toEqual([])
  await server.close()
})

/** Sends bytes as they are. A fresh key unless the headers say otherwise. */
const send = async (path: string, body: string, headers: Record<string, string> = {}) => {
  const response = await server.request(`/ledger${path}`, {
    method: 'POST',
    headers: {
      Authorization: basic('docs-server'),
      'Content-Type': 'application/json',
      'Idempotency-Key': crypto.randomUUID(),
      ...headers,
    },
    body,
  })
  return { status: response.status, text: await response.text() }
}

const valid = {
  open: () => ({ delegation_id, want_usd: '0.01' }),
  renew: () => ({ seq: 1 }),
  close: () => ({ seq: 1 }),
}
const pathOf = (name: string): string => (name === 'open' ? '/leases' : `/leases/${lease}/${name}`)

/** The body with one member as literal JSON text. */
const raw = (name: keyof typeof valid, member: string, json: string): string => {
  const { [member]: _, ...rest } = valid[name]() as Record<string, unknown>
  const others = JSON.stringify(rest).slice(1)
  return `{${JSON.stringify(member)}:${json}${others === '}' ? '' : ','}${others}`
}

const expectBadRequest = async (name: string, body: string, headers?: Record<string, string>) => {
  const { status, text } = await send(pathOf(name), body, headers)
  const what = [name, body.slice(0, 100), headers]
  expect([what, status, JSON.parse(text).error]).toEqual([what, 400, 'invalid_request'])
}

const names = Object.keys(valid) as (keyof typeof valid)[]

/** Which request takes which member. */
const members = {
  amounts: [
    ['open', 'want_usd'],
    ['open', 'need_usd'],
    ['renew', 'want_usd'],
    ['renew', 'need_usd'],
    ['renew', 'spent_usd'],
    ['close', 'spent_usd'],
  ],
  counts: [
    ['open', 'want_requests'],
    ['renew', 'want_requests'],
    ['renew', 'requests'],
    ['close', 'requests'],
  ],
  seq: [
    ['renew', 'seq'],
    ['close', 'seq'],
  ],
  ttl: [
    ['open', 'ttl_seconds'],
    ['renew', 'ttl_seconds'],
  ],
} as const

/** No value of any member that is not text or a number. */
const shapes = ['null', 'true', '[]', '{}', '["1"]', '{"value":"1"}']
const noNumbers = ['NaN', 'Infinity', '-Infinity', '+1', '01', '1n', '0x10', '.5', '']

describe('what is malformed is refused, and changes nothing', () => {
  afterEach(async () => {
    expect(await state()).toEqual(before)
  })

  test('an amount that is not decimal text', async () => {
    const texts = [
      '-1', '-0', '+1', 'NaN', 'Infinity', '1e3', '1e309', '0x10', '1n', '01', '.5', '5.', '',
      '1.0000001', '1,5', '1_000', ' 1', '1 ', '1\\n', '\\u00001', '\\uff11', '\\u0661', '$1',
      '9007199255', '9007199254740993', '9223372036854775808', '9'.repeat(400), '\\ud800',
    ] // biome-ignore format: a list of amounts.
    const numbers = ['1', '0', '-1', '0.01', '1e309', '9007199254740993', ...shapes, ...noNumbers]
    for (const [name, member] of members.amounts) {
      for (const text of texts) await expectBadRequest(name, raw(name, member, `"${text}"`))
      for (const json of numbers) await expectBadRequest(name, raw(name, member, json))
    }
  })

  test('a count of requests that is no whole number from 0 to a billion', async () => {
    const bad = ['-1', '1.5', '1000000001', '1e10', '1e309', '9007199254740993', '"1"', '""']
    for (const [name, member] of members.counts) {
      for (const json of [...bad, ...shapes, ...noNumbers]) {
        await expectBadRequest(name, raw(name, member, json))
      }
    }
  })

  test('a seq that is missing or no whole number from 1 to a billion', async () => {
    const bad = ['0', '-0', '-1', '1.5', '1000000001', '1e309', '"1"', '2147483648']
    for (const [name, member] of members.seq) {
      for (const json of [...bad, ...shapes, ...noNumbers]) {
        await expectBadRequest(name, raw(name, member, json))
      }
      await expectBadRequest(name, '{}')
      await expectBadRequest(name, '{"spent_usd":"0"}')
    }
  })

  test('a time to live that is not 1 to 300 whole seconds', async () => {
    const bad = ['0', '-1', '301', '1.5', '1e99', '"60"']
    for (const [name, member] of members.ttl) {
      for (const json of [...bad, ...shapes, ...noNumbers]) {
        await expectBadRequest(name, raw(name, member, json))
      }
    }
  })

  test('a holder that is empty, too long, no text, or has control characters', async () => {
    const bad = [
      '""', '1', '"a\\u0000"', '"a\\n"', '"a\\u007f"', '"a\\u0085"', '"\\ud800"', '"\\udc00x"',
      JSON.stringify('h'.repeat(65)), ...shapes,
    ] // biome-ignore format: a list of names.
    for (const json of bad) await expectBadRequest('open', raw('open', 'holder', json))
  })

  test('a delegation or token that is not text of the right shape', async () => {
    const ids = ['"dlg_"', '"dlg_\\u0000"', '"dlg_x\\n"', '"tenant:acme"', '"agent:x"', '""', '1']
    for (const json of [...ids, `"${lease}"`, ...shapes]) {
      await expectBadRequest('open', raw('open', 'delegation_id', json))
    }
    for (const token of ['""', '1', JSON.stringify('x'.repeat(16_385)), ...shapes]) {
      await expectBadRequest('open', `{"token":${token},"want_usd":"0.01"}`)
    }
  })

  test('both a token and a delegation, or neither, and nothing that is wanted', async () => {
    await expectBadRequest('open', JSON.stringify({ ...valid.open(), token: 'x' }))
    await expectBadRequest('open', '{"want_usd":"0.01"}')
    await expectBadRequest('open', JSON.stringify({ delegation_id }))
    await expectBadRequest('open', JSON.stringify({ delegation_id, need_usd: '0.01' }))
  })

  test('members that nobody knows, and those of another request', async () => {
    const unknown = [
      'amount_usd',
      'currency',
      'epoch',
      'state',
      'client_id',
      'budget_id',
      '__proto__',
    ]
    const foreign = {
      open: ['seq', 'spent_usd', 'requests'],
      renew: ['token', 'delegation_id', 'holder'],
      close: ['token', 'delegation_id', 'holder', 'want_usd', 'need_usd', 'want_requests'],
    }
    for (const name of names) {
      for (const member of [...unknown, 'constructor', ...foreign[name]]) {
        for (const json of ['"1"', '1', '{}']) {
          await expectBadRequest(name, raw(name, member, json))
        }
      }
    }
  })

  test('a body that is not one JSON object', async () => {
    const deep = '['.repeat(30_000) + ']'.repeat(30_000)
    const bodies = ['', '{', 'null', '1', '"text"', '[]', '{}{}', '{"seq":1,}', '\u0000', deep]
    for (const name of names) {
      for (const body of bodies) await expectBadRequest(name, body)
    }
  })

  test('an Idempotency-Key that is missing, empty, too long or not visible ASCII', async () => {
    for (const name of names) {
      const body = JSON.stringify(valid[name]())
      for (const key of ['', 'x'.repeat(256), 'a b', 'schlüssel']) {
        await expectBadRequest(name, body, { 'Idempotency-Key': key })
      }
      const headers = { Authorization: basic('docs-server'), 'Content-Type': 'application/json' }
      const init = { method: 'POST', headers, body }
      expect((await server.request(`/ledger${pathOf(name)}`, init)).status).toBe(400)
    }
  })

  test('parameters in the query, another type, and a body that is too large', async () => {
    for (const name of names) {
      const body = JSON.stringify(valid[name]())
      expect((await send(`${pathOf(name)}?seq=9`, body)).status).toBe(400)
      await expectBadRequest(name, body, { 'Content-Type': 'text/plain' })
      const large = JSON.stringify({ ...valid[name](), holder: 'h'.repeat(65_536) })
      expect((await send(pathOf(name), large)).status).toBe(413)
    }
  })

  test('ids that are of something else, or of nothing', async () => {
    const { body } = await reserve(server, { delegation_id, amount_usd: '0.01' })
    before = await state()
    const ids = [
      body.id,
      delegation_id,
      'lse_',
      'lse_x%00',
      'lse_%27',
      'LSE_x',
      '%00',
      'lse_unknown',
    ]
    for (const id of [...ids, `${lease}%0a`, `lse_${'x'.repeat(65)}`, 'tenant:acme']) {
      for (const action of ['renew', 'close']) {
        const { status } = await send(`/leases/${id}/${action}`, '{"seq":1}')
        expect([id, action, status]).toEqual([id, action, 404])
      }
    }
    for (const action of ['settle', 'release']) {
      const path = `/reservations/${lease}/${action}`
      const { status } = await send(path, action === 'settle' ? '{"amount_usd":"0"}' : '{}')
      expect([action, status]).toEqual([action, 404])
    }
  })

  test('methods that there are not', async () => {
    for (const name of names) {
      for (const method of ['GET', 'PUT', 'PATCH', 'DELETE']) {
        const headers = { Authorization: basic('docs-server') }
        const answer = await server.request(`/ledger${pathOf(name)}`, { method, headers })
        expect([name, method, answer.status]).toEqual([name, method, 405])
        expect(answer.headers.get('allow')).toBe('POST')
      }
    }
    expect((await send(`/leases/${lease}`, '{}')).status).toBe(404)
  })
})

test('the smallest, the largest and the longest that is allowed is taken', async () => {
  const bodies = [
    { want_usd: '0', want_requests: 0, ttl_seconds: 1 },
    { want_usd: '9007199254.999999', ttl_seconds: 300, holder: 'h'.repeat(64) },
    { want_requests: 1_000_000_000, need_usd: '9007199254.999999' },
    { want_usd: '0.000001', holder: 'Prozeß 1, 日本' },
  ]
  for (const body of bodies) {
    const { status } = await open(server, { delegation_id, ...body })
    expect([body, status]).toEqual([body, 201])
  }
  const largest = { spent_usd: '9007199254.999999', requests: 1_000_000_000 }
  const { status, body } = await renew(server, lease, { seq: 1_000_000_000, ...largest })
  expect([status, body.amount_usd, body.overrun_usd]).toEqual([200, '0', '9007199254.899999'])
})

test('a member that stands twice is one or the other, and never both', async () => {
  const twice = `{"delegation_id":"${delegation_id}","want_usd":"0.001","want_usd":"0.002"}`
  const { status, text } = await send('/leases', twice)
  if (status === 201) expect(['0.001', '0.002']).toContain(JSON.parse(text).amount_usd)
  else expect(status).toBe(400)
  const hidden = `{"delegation_id":"${delegation_id}","want_usd":"0.001","want_usd":"-1"}`
  expect((await send('/leases', hidden)).status).toBe(400)
})
