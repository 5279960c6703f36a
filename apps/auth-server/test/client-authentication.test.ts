/** How a client proves who it is, and what a stranger can learn by trying. RFC 6749 §2.3, §5.2. */
import { basicAuthorization } from '@behalf/protocol'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  type Answer,
  baseConfig,
  basic,
  decode,
  docs,
  openTestServer,
  secretOf,
  type TestServer,
  type TokenBody,
} from './harness.js'

const strange = [
  { client_id: 'a:b', client_secret: 'c:d:e%3Af%zz' },
  { client_id: '100%25', client_secret: '%%%25+&=?#/ with spaces' },
  { client_id: 'https://agent.example/md?x=1', client_secret: 'ünïcödé 秘密 🔑' },
  { client_id: '+"\'\\', client_secret: '++++&client_id=other' },
]

const config = {
  ...baseConfig,
  clients: [
    ...baseConfig.clients,
    ...strange.flatMap((one) => [
      { ...one, kind: 'agent', tenant_id: 'acme', scope: 'docs:read', resources: [docs] },
      {
        ...one,
        client_id: `${one.client_id}/posting`,
        kind: 'agent',
        tenant_id: 'acme',
        token_endpoint_auth_method: 'client_secret_post',
        resources: [docs],
      },
    ]),
  ],
}

let server: TestServer
/** Every secret and token that a test had in its hands: none may be in the log at the end. */
const secrets: string[] = ['loner-wrong-secret', ...strange.map((one) => one.client_secret)]
beforeAll(async () => {
  server = await openTestServer({ config })
})
afterAll(() => server.close())

type Fields = Record<string, string | string[]>

const ask = async (fields: Fields, authorization?: string): Promise<Answer<TokenBody>> => {
  const headers = authorization === undefined ? undefined : { Authorization: authorization }
  const form = { grant_type: 'client_credentials', ...fields }
  const answer = await server.post<TokenBody>('/token', form, headers ?? {})
  if (answer.body.access_token) secrets.push(answer.body.access_token)
  return answer
}

const encode = (text: string): string => Buffer.from(text).toString('base64')

const expectRefused = ({ status, body, headers }: Answer<TokenBody>): void => {
  expect(body).not.toHaveProperty('access_token')
  expect(status).toBe(401)
  expect(body.error).toBe('invalid_client')
  // RFC 6749 §5.2
  expect(headers.get('www-authenticate')).toMatch(/^Basic realm=/)
  expect(headers.get('cache-control')).toBe('no-store')
}

const posted = (clientId: string, secret = secretOf(clientId)) => ({
  client_id: clientId,
  client_secret: secret,
})

describe('the registered method', () => {
  test('is the one that works', async () => {
    expect((await ask({}, basic('loner'))).status).toBe(200)
    expect((await ask(posted('posting'))).status).toBe(200)
  })

  test('is the only one that works', async () => {
    expectRefused(await ask(posted('loner')))
    expectRefused(await ask({}, basic('posting')))
    expectRefused(await ask({ client_id: 'loner' }))
    expectRefused(await ask({ client_id: 'posting' }))
    expectRefused(await ask(posted('desktop', 'anything at all')))
    expectRefused(await ask({}, basic('desktop', 'anything at all')))
  })

  test.each([
    ['loner', 'posting'],
    ['posting', 'posting'],
  ])('two at once, for %s and %s, are refused', async (header, form) => {
    const { status, body } = await ask(posted(form), basic(header))
    expect([status, body.error]).toEqual([400, 'invalid_request'])
    expect(body).not.toHaveProperty('access_token')
  })

  test('an empty client_secret beside Basic is a second method too', async () => {
    const { status } = await ask({ client_secret: '' }, basic('loner'))
    expect(status).toBe(400)
  })

  test('the client_id may be repeated in the body, but only the same', async () => {
    expect((await ask({ client_id: 'loner' }, basic('loner'))).status).toBe(200)
    expectRefused(await ask({ client_id: 'orchestrator' }, basic('loner')))
  })

  test('an access token does not authenticate a client here', async () => {
    const { body } = await ask({}, basic('loner'))
    expectRefused(await ask({}, `Bearer ${body.access_token}`))
    expectRefused(await ask(posted('posting'), `Bearer ${body.access_token}`))
  })
})

describe('a malformed Authorization header', () => {
  test.each([
    ['no base64', 'Basic !!!!'],
    ['no colon', `Basic ${encode('loner')}`],
    ['nothing', 'Basic'],
    ['nothing after the scheme', 'Basic '],
    ['an empty id', `Basic ${encode(`:${secretOf('loner')}`)}`],
    ['an empty secret', `Basic ${encode('loner:')}`],
    ['a colon only', `Basic ${encode(':')}`],
    ['the URL-safe alphabet', `Basic ${encode('loner:???>>>').replaceAll('/', '_')}`],
    ['a NUL', `Basic ${encode('foo\0bar:baz')}`],
    ['an encoded NUL', `Basic ${encode('foo%00bar:baz')}`],
    ['bytes that are no UTF-8', 'Basic w8OBxg=='],
    ['escapes that are no UTF-8', `Basic ${encode('%ff%fe:x')}`],
    ['half an escape', `Basic ${encode('loner%:x%2')}`],
    ['a space in the middle', `Basic ${encode('loner')} ${encode(':x')}`],
    ['two headers in one', `${basic('loner')}, ${basic('loner')}`],
    ['another scheme', 'Digest username="loner"'],
    ['no scheme', encode(`loner:${secretOf('loner')}`)],
    ['nothing but a word', 'x'],
  ])('with %s is refused as invalid_client', async (_, header) => {
    expectRefused(await ask({}, header))
  })

  test('the scheme is read in any case', async () => {
    expect((await ask({}, basic('loner').replace('Basic', 'bAsIc'))).status).toBe(200)
  })

  test.each(['/introspect', '/revoke'])('%s asks for the same', async (path) => {
    const answer = await server.post<TokenBody>(path, { token: 'x' }, { Authorization: 'Basic !!' })
    expectRefused(answer)
    expectRefused(await server.post<TokenBody>(path, { token: 'x' }, {}))
  })

  test.each([
    ['no header', undefined],
    ['no base64', 'Basic !!!!'],
    ['an encoded NUL', `Basic ${encode('foo%00bar:baz')}`],
    ['an encoded line break', `Basic ${encode('foo%0d%0abar:baz')}`],
    ['an unknown client', basic('nobody')],
    ['a wrong secret', basic('docs-server', 'wrong-secret')],
    ['a disabled client', basic('switched-off')],
    ['a public client', basic('desktop', 'anything at all')],
    // Its hash stands in for the one that an unknown client does not have.
    ['the stand-in secret', basic('desktop', 'a hash that no secret has')],
  ])('the ledger, with %s, asks for the same', async (_, header) => {
    const response = await server.request('/ledger/budgets/dlg_x', {
      headers: header === undefined ? {} : { Authorization: header },
    })
    const body = (await response.json()) as TokenBody
    expectRefused({ status: response.status, headers: response.headers, body })
  })
})

describe('characters with a meaning', () => {
  test.each(strange)(
    '$client_id gets through Basic and its colon, percent and plus',
    async (one) => {
      const answer = await ask({}, basicAuthorization(one.client_id, one.client_secret))
      expect(answer.status).toBe(200)
      expect(decode(answer.body.access_token).client_id).toBe(one.client_id)
      expect((await ask({}, basic(one.client_id, one.client_secret))).status).toBe(200)
    },
  )

  test.each(strange)('$client_id gets through the form', async (one) => {
    const client_id = `${one.client_id}/posting`
    const answer = await ask({ client_id, client_secret: one.client_secret })
    expect(answer.status).toBe(200)
    expect(decode(answer.body.access_token).sub).toBe(client_id)
  })

  test('a secret that was not encoded is not guessed at', async () => {
    const [one] = strange
    expectRefused(await ask({}, `Basic ${encode(`${one?.client_id}:${one?.client_secret}`)}`))
  })
})

describe('a stranger learns nothing', () => {
  const guesses: [string, string, string | undefined][] = [
    ['a wrong secret', 'loner', 'loner-wrong-secret'],
    ['an unknown client', 'nobody-there', 'loner-wrong-secret'],
    ['a disabled client with its right secret', 'switched-off', undefined],
    ['the right secret by the wrong method', 'posting', undefined],
    ['a public client', 'desktop', 'loner-wrong-secret'],
    ['an id that can be nobody’s', 'usr_alice', 'loner-wrong-secret'],
    ['an id in another case', 'LONER', secretOf('loner')],
    ['a secret with a space more', 'loner', `${secretOf('loner')} `],
    ['the beginning of the secret', 'loner', secretOf('loner').slice(0, -1)],
    ["another client's secret", 'loner', secretOf('orchestrator')],
  ]

  test('every failure has the same status, headers and body', async () => {
    const answers = await Promise.all(guesses.map(([, id, secret]) => ask({}, basic(id, secret))))
    answers.forEach(expectRefused)
    const seen = answers.map(({ body, headers }) => JSON.stringify([body, [...headers]]))
    expect(new Set(seen).size).toBe(1)
  })

  test('an unknown client costs the same look-up as a wrong secret', async () => {
    let lookUps = 0
    const { clients } = server.deps.store
    const find = clients.find
    clients.find = (id) => {
      lookUps += 1
      return find(id)
    }
    await ask({}, basic('loner', 'loner-wrong-secret'))
    await ask({}, basic('nobody-there', 'loner-wrong-secret'))
    clients.find = find
    expect(lookUps).toBe(2)
  })

  test('an empty secret is none', async () => {
    expectRefused(await ask({ client_id: 'posting', client_secret: '' }))
    expectRefused(await ask({ client_id: 'loner', client_secret: '' }))
    expectRefused(await ask({}))
  })
})

describe('credentials in the wrong place', () => {
  const query = new URLSearchParams({ grant_type: 'client_credentials', ...posted('posting') })

  test('are refused in the query, with GET and with POST', async () => {
    const get = await server.request(`/token?${query}`)
    expect(get.status).toBe(405)
    const post = await server.post<TokenBody>(`/token?${query}`, {}, {})
    expect([post.status, post.body.error]).toEqual([400, 'invalid_request'])
    const both = await server.post<TokenBody>(`/token?${query}`, Object.fromEntries(query), {})
    expect([both.status, both.body.error]).toEqual([400, 'invalid_request'])
  })

  test('are not taken from a cookie or a header of their own', async () => {
    const headers = {
      Cookie: query.toString().replaceAll('&', '; '),
      'X-Client-Id': 'posting',
      'X-Client-Secret': secretOf('posting'),
      'Proxy-Authorization': basic('loner'),
    }
    const form = { grant_type: 'client_credentials' }
    expectRefused(await server.post<TokenBody>('/token', form, headers))
  })
})

describe('ids that forge', () => {
  test.each([
    'a\r\nX-Evil: 1\r\n{"level":"info","forged":1}',
    'a\nb',
    'a\0b',
    'a\u007fb',
    'a\u0085b',
    '\u001b[31mred',
  ])('%j reaches neither a header nor a line of the log', async (id) => {
    const before = server.log.length
    const viaForm = await ask({ client_id: id, client_secret: 'x' })
    expect([viaForm.status, viaForm.body.error]).toEqual([400, 'invalid_request'])
    const viaBasic = await ask({}, basic(id, 'x'))
    expectRefused(viaBasic)
    for (const { headers } of [viaForm, viaBasic]) expect(headers.get('x-evil')).toBeNull()
    const lines = server.log.slice(before)
    expect(lines).toHaveLength(2)
    for (const line of lines) {
      expect(line.trimEnd()).not.toContain('\n')
      expect(JSON.parse(line)).not.toHaveProperty('forged')
    }
  })
})

test('the log names who was refused, and only once they have proved it', async () => {
  const nameOf = (): unknown => JSON.parse(server.log.at(-1) ?? '{}').client_id
  await ask({ grant_type: 'unknown' }, basic('researcher'))
  expect(nameOf()).toBe('researcher')
  await ask({ grant_type: 'unknown' }, basic('researcher', 'a guess'))
  expect(nameOf()).toBeUndefined()
})

test('the log of all this says why each was refused, and holds no secret and no token', () => {
  const log = server.log.join('')
  const reasons = new Set(server.log.map((line) => JSON.parse(line).reason))
  expect(reasons).toContain('client_authentication_failed')
  expect(reasons).toContain('malformed_basic')
  expect(reasons).toContain('parameters_in_query')
  const known = config.clients.flatMap((client) =>
    'client_secret' in client ? [String(client.client_secret)] : [],
  )
  for (const secret of [...secrets, ...known]) {
    expect(log).not.toContain(secret)
    expect(log).not.toContain(encodeURIComponent(secret))
    expect(log).not.toContain(encode(secret).slice(0, 12))
  }
})
