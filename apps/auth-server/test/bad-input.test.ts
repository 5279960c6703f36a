/** Whatever arrives, the answer is an OAuth error: never a 5xx, never a page, never a token. */
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  basic,
  docs,
  openTestServer,
  secretOf,
  type TestServer,
  type TokenBody,
} from './harness.js'

const formType = 'application/x-www-form-urlencoded'
const authorized = { Authorization: basic('loner') }
const asksForToken = 'grant_type=client_credentials'

let server: TestServer
beforeAll(async () => {
  server = await openTestServer()
})
afterAll(() => server.close())

type Send = { path?: string; headers?: Record<string, string>; body?: RequestInit['body'] }

const send = async ({ path = '/token', headers = authorized, body = asksForToken }: Send) => {
  const init = { method: 'POST', headers: { 'Content-Type': formType, ...headers }, body }
  const response = await server.request(path, { ...init, duplex: 'half' } as RequestInit)
  const text = await response.text()
  // RFC 7009 §2.2: a revocation that is done has nothing to say.
  if (path === '/revoke' && response.status === 200 && text === '') return { status: 200, body: {} }
  expect(response.headers.get('content-type')).toMatch(/^application\/(problem\+)?json/)
  return { status: response.status, body: JSON.parse(text) as Partial<TokenBody> }
}

const refused = async (request: Send, status = 400, error = 'invalid_request') => {
  const answer = await send(request)
  expect([answer.status, answer.body.error]).toEqual([status, error])
  return answer.body.error_detail
}

test('the request that the others are variations of is granted', async () => {
  expect((await send({})).status).toBe(200)
})

describe('parameters', () => {
  test.each([
    'grant_type=client_credentials&grant_type=client_credentials',
    'grant_type=client_credentials&grant_type=',
    `${asksForToken}&scope=docs:read&scope=docs:write`,
    `${asksForToken}&scope=&scope=`,
    `${asksForToken}&client_id=loner&client_id=loner`,
    `${asksForToken}&x=1&x=2`,
    `${asksForToken}&__proto__=1&__proto__=2`,
  ])('%s: one that is given twice is refused', async (body) => {
    expect(await refused({ body })).toBe('repeated_parameter')
  })

  test('a client_secret given twice is refused before it is compared', async () => {
    const body = `${asksForToken}&client_id=posting&client_secret=${secretOf('posting')}&client_secret=x`
    expect(await refused({ body, headers: {} })).toBe('repeated_parameter')
  })

  test('an empty one counts as absent, and an empty body asks for nothing', async () => {
    expect((await send({ body: `${asksForToken}&scope=&resource=&audience=` })).status).toBe(200)
    expect(await refused({ body: 'grant_type=' })).toBe('missing_grant_type')
    expect(await refused({ body: '' })).toBe('missing_grant_type')
  })

  test.each(['scope[]', 'scope[0]', 'scope.0', 'scope[$ne]', 'Scope', '__proto__', 'constructor'])(
    'one named %s is another parameter, and nobody reads it',
    async (name) => {
      const answer = await send({ body: `${asksForToken}&${name}=admin` })
      expect(answer.status).toBe(200)
      expect(answer.body.scope).toBe('docs:read docs:write')
    },
  )

  test.each([
    ['grant_type[]=client_credentials', 400],
    ['grant_type=client_credentials&client_id[$ne]=x&client_secret[$ne]=x', 401],
    ['grant_type=client_credentials&__proto__[client_id]=loner', 401],
  ])('%s smuggles nothing in', async (body, status) => {
    const headers = status === 401 ? {} : authorized
    await refused({ body, headers }, status, status === 401 ? 'invalid_client' : 'invalid_request')
  })

  test.each(['%00', '%0A', '%0d%0a', '%1b', '%7f', '%C2%85', 'scope%00'])(
    'a control character, as %s, is refused in a value and in a name',
    async (broken) => {
      expect(await refused({ body: `${asksForToken}&scope=a${broken}` })).toBe('control_character')
      expect(await refused({ body: `${asksForToken}&a${broken}=a` })).toBe('control_character')
    },
  )

  test.each(['%', '%zz', '%E0%A4%A', '%ff', '%ED%A0%80', '%u0041'])(
    'a broken escape, as in %s, gives no token for more than was asked and no failure',
    async (broken) => {
      await refused({ body: `${asksForToken}&scope=docs:read${broken}` }, 400, 'invalid_scope')
    },
  )

  test.each([
    "' OR '1'='1",
    "'; DROP TABLE clients;--",
    '" UNION SELECT 1--',
    '$1',
    '\\',
    '%27',
    '{}',
    '{"a":1}',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: a template that must stay text.
    '${7*7}',
  ])('%s is text in every parameter', async (text) => {
    const fields = ['client_id', 'client_secret', 'scope', 'resource', 'audience', 'grant_type']
    for (const name of [...fields, 'subject_token', 'requested_actor', 'agent_limits']) {
      const form = new URLSearchParams({ grant_type: 'client_credentials', scope: 'docs:read' })
      form.set(name, text)
      const { status, body } = await send({ body: form.toString() })
      expect(status, name).toBeLessThan(500)
      const unread = ['subject_token', 'requested_actor', 'agent_limits'].includes(name)
      expect('access_token' in body, name).toBe(unread)
      const tail = { body: `${asksForToken}&client_id=${encodeURIComponent(text)}&client_secret=x` }
      await refused({ ...tail, headers: {} }, 401, 'invalid_client')
    }
  })
})

describe('the body', () => {
  test.each([
    undefined,
    'application/json',
    'multipart/form-data; boundary=x',
    'text/plain',
    `${formType}2`,
    `${formType}, ${formType}`,
  ])('of type %s is refused', async (type) => {
    expect(await refused({ headers: { ...authorized, 'Content-Type': type ?? '' } })).toBe(
      'content_type',
    )
  })

  test('may name a charset and be written in any case', async () => {
    const type = `${formType.toUpperCase()} ; charset=UTF-8`
    expect((await send({ headers: { ...authorized, 'Content-Type': type } })).status).toBe(200)
  })

  test.each(['gzip', 'deflate', 'br', 'identity', 'x-unknown'])(
    'with the content encoding %s is refused unread',
    async (encoding) => {
      const headers = { ...authorized, 'Content-Encoding': encoding }
      const body = gzipSync(asksForToken)
      expect(await refused({ headers, body }, 415)).toBe('content_encoding')
    },
  )

  const padded = (bytes: number): string => `${asksForToken}&pad=`.padEnd(bytes, 'x')

  test('of 64 KiB is read, and of a byte more is refused by its length', async () => {
    for (const [bytes, status] of [
      [65_536, 200],
      [65_537, 413],
    ] as const) {
      const headers = { ...authorized, 'Content-Length': String(bytes) }
      expect((await send({ headers, body: padded(bytes) })).status).toBe(status)
    }
  })

  test('without a length is read up to 64 KiB and not to its end', async () => {
    let pulled = 0
    const endless = new ReadableStream<Uint8Array>({
      pull: (controller) => {
        pulled += 1
        controller.enqueue(new TextEncoder().encode(padded(16_384)))
      },
    })
    expect(await refused({ body: endless }, 413)).toBe('body_too_large')
    expect(pulled).toBeLessThan(10)
  })

  test('at the ledger is bounded too', async () => {
    const headers = { ...authorized, 'Content-Type': 'application/json' }
    const body = JSON.stringify({ pad: 'x'.repeat(70_000) })
    expect(await refused({ path: '/ledger/reservations', headers, body }, 413)).toBe(
      'body_too_large',
    )
  })

  test.each([
    '{',
    '[]',
    '"text"',
    'null',
    '1e999',
    '{"amount_usd":"1","action":"\\ud800","delegation_id":"dlg_x"}',
    '{"amount_usd":"1","action":"a\\u0000","delegation_id":"dlg_x"}',
    '{"__proto__":{"amount_usd":"1"},"amount_usd":"1","action":"a","delegation_id":"dlg_x"}',
    '{"constructor":1,"amount_usd":"1","action":"a","delegation_id":"dlg_x"}',
    '{"amount_usd":"1","action":"a","token":"\\udfff.\\ud800.x"}',
    `${'['.repeat(30_000)}${']'.repeat(30_000)}`,
    `${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}`,
  ])('%s at the ledger is a client’s mistake', async (body) => {
    const headers = {
      Authorization: basic('docs-server'),
      'Content-Type': 'application/json',
      'Idempotency-Key': 'one',
    }
    const answer = await send({ path: '/ledger/reservations', headers, body })
    expect(Math.floor(answer.status / 100)).toBe(4)
  })
})

describe('methods', () => {
  test.each([
    ['/token', { 'X-HTTP-Method-Override': 'POST' }],
    ['/token', { 'X-HTTP-Method': 'POST' }],
    ['/token', { 'X-Method-Override': 'POST' }],
    ['/token?_method=POST', {}],
  ])('GET %s with %j stays a GET', async (path, headers) => {
    const response = await server.request(path, { headers: { ...authorized, ...headers } })
    expect(response.status).toBe(405)
  })
})

describe('the worst case of a pattern', () => {
  const long = 50_000
  const worst = [
    'a'.repeat(long),
    ' '.repeat(long),
    'a '.repeat(long / 2),
    `${'a '.repeat(long / 2)}\u00e9`,
    `http://${'a.'.repeat(long / 2)}`,
    `a:${'/'.repeat(long)}#`,
    `${'='.repeat(long)}!`,
    `${'A'.repeat(long)}=!`,
    '"'.repeat(long),
    '.'.repeat(long),
    '\u{1f600}'.repeat(5_000),
  ]

  test.each([
    'scope',
    'resource',
    'audience',
    'client_id',
    'subject_token',
    'agent_limits',
    'token',
  ])('as %s is answered at once', async (name) => {
    const exchange = 'grant_type=urn:ietf:params:oauth:grant-type:token-exchange'
    const type = 'subject_token_type=urn:ietf:params:oauth:token-type:access_token'
    for (const value of worst) {
      const form = new URLSearchParams({ [name]: value })
      const started = performance.now()
      for (const [path, rest] of [
        ['/token', asksForToken],
        ['/token', `${exchange}&${type}`],
        ['/revoke', ''],
      ] as const) {
        const { status } = await send({ path, body: `${rest}&${form}` })
        expect(status).toBeLessThan(500)
      }
      // A pattern that backtracks takes minutes over this, so the bound need not be tight.
      expect(performance.now() - started).toBeLessThan(3000)
    }
  })

  test.each(['Authorization', 'Content-Type', 'Accept', 'Idempotency-Key'])(
    'as the header %s is answered at once',
    async (name) => {
      for (const value of worst.filter((text) => /^[\x20-\x7e]*$/.test(text))) {
        for (const prefix of ['', 'Basic ', 'Bearer ']) {
          const headers = { ...authorized, [name]: prefix + value }
          const started = performance.now()
          for (const path of ['/token', '/ledger/reservations']) {
            expect((await send({ path, headers })).status).toBeLessThan(500)
          }
          expect(performance.now() - started).toBeLessThan(3000)
        }
      }
    },
  )
})

describe('at random', () => {
  const name = fc.oneof(
    fc.constantFrom('grant_type', 'scope', 'resource', 'audience', 'client_id', 'client_secret'),
    fc.constantFrom('subject_token', 'subject_token_type', 'actor_token', 'requested_actor'),
    fc.constantFrom(
      'requested_token_type',
      'agent_limits',
      'token',
      'token_type_hint',
      '__proto__',
    ),
    fc.string({ unit: 'binary', maxLength: 8 }),
  )
  const value = fc.oneof(
    fc.constantFrom('client_credentials', 'urn:ietf:params:oauth:grant-type:token-exchange', docs),
    fc.constantFrom('urn:ietf:params:oauth:token-type:access_token', 'orchestrator', 'docs:read'),
    fc.constantFrom('eyJhbGciOiJub25lIn0.e30.', '{"cost_budget_usd":1e999}', '[]'),
    fc.string({ unit: 'binary', maxLength: 40 }),
  )
  const form = fc.array(fc.tuple(name, value), { maxLength: 8 })
  const path = fc.constantFrom('/token', '/revoke', '/introspect')
  const who = fc.constantFrom(authorized, { Authorization: basic('docs-server') }, {})

  test('no form gives a failure or anything but JSON', async () => {
    await fc.assert(
      fc.asyncProperty(path, who, form, async (to, headers, fields) => {
        const { status } = await send({
          path: to,
          headers: { ...headers },
          body: new URLSearchParams(fields).toString(),
        })
        expect(status).toBeLessThan(500)
      }),
      { numRuns: 400 },
    )
  })

  test('no bytes give a failure or anything but JSON', async () => {
    await fc.assert(
      fc.asyncProperty(path, fc.uint8Array({ maxLength: 200 }), async (to, body) => {
        const { status } = await send({ path: to, body: new Uint8Array(body) })
        expect(status).toBeLessThan(500)
      }),
      { numRuns: 200 },
    )
  })

  test('no header gives a failure or anything but JSON', async () => {
    const header = fc.constantFrom('Authorization', 'Content-Type', 'Accept', 'Origin', 'Cookie')
    const text = fc
      .string({ unit: 'binary-ascii', maxLength: 60 })
      .map((raw) => raw.replaceAll(/[^\x20-\x7e]/g, ' '))
    const pair = fc.oneof(
      text,
      text.map((raw) => `Basic ${Buffer.from(raw).toString('base64')}`),
    )
    const to = fc.constantFrom(
      '/token',
      '/ledger/reservations',
      '/ledger/reservations/rsv_x/settle',
    )
    await fc.assert(
      fc.asyncProperty(to, header, pair, async (address, key, text) => {
        const { status } = await send({ path: address, headers: { ...authorized, [key]: text } })
        expect(status).toBeLessThan(500)
      }),
      { numRuns: 400 },
    )
  })

  test('no path gives a failure', async () => {
    const step = fc.oneof(
      fc.string({ maxLength: 10 }),
      fc.constantFrom('..', '%00', '%2e%2e', '%ff'),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 4 }), async (steps) => {
        for (const base of ['', '/ledger/budgets', '/ledger/reservations', '/revocations?after=']) {
          const url = `${base}/${steps.join('/').replaceAll(/[\\#]/g, '')}`
          const headers = { Authorization: basic('docs-server') }
          const response = await server.request(url, { headers })
          expect(response.status, url).toBeLessThan(500)
        }
      }),
      { numRuns: 200 },
    )
  })
})
