/** Signing out is the person's wish, or that of an application that knows them. RP-Initiated Logout. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { idTokenFor } from '../src/id-token.js'
import { baseConfig, issuer, openTestServer, type TestServer } from './harness.js'
import { createStandInPeople } from './stand-in-people.js'

const bye = 'https://app.example/bye?from=behalf'
const loopback = 'http://127.0.0.1:6276/bye'

const people = createStandInPeople(() => new Date('2026-11-21T12:00:00Z'))

const config = {
  ...baseConfig,
  clients: [
    ...baseConfig.clients.filter(({ client_id }) => client_id !== 'desktop'),
    {
      client_id: 'desktop',
      kind: 'app',
      client_name: 'Desk <b>top</b>',
      token_endpoint_auth_method: 'none',
      post_logout_redirect_uris: [bye, loopback],
    },
    {
      client_id: 'other-app',
      kind: 'app',
      token_endpoint_auth_method: 'none',
      post_logout_redirect_uris: ['https://other.example/bye'],
    },
    {
      client_id: 'off-app',
      kind: 'app',
      disabled: true,
      token_endpoint_auth_method: 'none',
      post_logout_redirect_uris: ['https://off.example/bye'],
    },
  ],
}

let server: TestServer
beforeAll(async () => {
  server = await openTestServer({ config, people })
})
afterAll(() => server.close())
beforeEach(() => people.signIn('usr_alice'))

const idToken = (sub = 'usr_alice', client_id = 'desktop'): string =>
  idTokenFor(
    {
      ...people.who(sub),
      authenticatedAt: server.clock.now(),
      tenantId: 'acme',
      client: { client_id },
      nonce: undefined,
      scope: ['openid'],
      accessToken: 'token',
    },
    server.deps,
  ) ?? ''

const alice = 'person=usr_alice'
const isSignedIn = () => !people.isSignedOut('usr_alice')

type Parameters = Record<string, string>

const visit = (parameters: Parameters = {}, cookie: string | undefined = alice) =>
  server.request(`/logout?${new URLSearchParams(parameters)}`, {
    headers: { ...(cookie && { Cookie: cookie }), 'Sec-Fetch-Site': 'cross-site' },
  })

const post = (fields: Parameters, headers: Record<string, string> = {}) =>
  server.request('/logout', {
    method: 'POST',
    body: new URLSearchParams(fields),
    headers: { Cookie: alice, 'Sec-Fetch-Site': 'same-origin', Origin: issuer, ...headers },
  })

/** The question as a browser has it: its hidden fields, and the cookies that came with it. */
const questionOf = async (response: Response) => {
  const page = await response.text()
  const plain = (text: string) => text.replaceAll('&amp;', '&').replaceAll('&quot;', '"')
  const hidden = [...page.matchAll(/<input type="hidden" name="([^"]+)" value="([^"]*)"/g)]
  const fields = Object.fromEntries(hidden.map(([, name, value]) => [name, plain(value ?? '')]))
  const formCookie = response.headers.get('set-cookie')?.split(';')[0]
  return { page, fields, Cookie: `${alice}; ${formCookie}` }
}

const expectQuestion = async (response: Response) => {
  expect([response.status, response.headers.get('location')]).toEqual([200, null])
  expect(isSignedIn()).toBe(true)
  const question = await questionOf(response)
  expect(question.page).toContain('Sign out?')
  return question
}

describe('with an ID token of the person who is signed in', () => {
  test('they are signed out and sent on, state included', async () => {
    const response = await visit({
      id_token_hint: idToken(),
      post_logout_redirect_uri: bye,
      state: 'a b&c=d',
    })
    expect(response.status).toBe(303)
    expect(response.headers.get('location')).toBe(`${bye}&state=a%20b%26c%3Dd`)
    expect(response.headers.get('set-cookie')).toContain('person=; Path=/; Max-Age=0')
    expect(response.headers.get('cache-control')).toBe('no-store')
    expect(isSignedIn()).toBe(false)
  })

  test('it may have expired', async () => {
    const hint = idToken()
    server.clock.advance(30 * 24 * 3600)
    const response = await visit({ id_token_hint: hint, post_logout_redirect_uri: loopback })
    expect(response.headers.get('location')).toBe(loopback)
    expect(isSignedIn()).toBe(false)
  })

  test('and no address, they are told that they are signed out', async () => {
    const response = await visit({ id_token_hint: idToken(), client_id: 'desktop' })
    expect(response.status).toBe(200)
    expect(await response.text()).toContain('You are signed out')
    expect(isSignedIn()).toBe(false)
  })
})

describe('a person is asked', () => {
  const forged = () => {
    const [header, , signature] = idToken('usr_bob').split('.')
    const claims = { iss: issuer, sub: 'usr_alice', aud: 'desktop' }
    return `${header}.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.${signature}`
  }

  test.each<[string, () => Parameters]>([
    ['without a hint', () => ({})],
    [
      'without a hint, by a client',
      () => ({ client_id: 'desktop', post_logout_redirect_uri: bye }),
    ],
    ["with somebody else's ID token", () => ({ id_token_hint: idToken('usr_bob') })],
    ['with garbage', () => ({ id_token_hint: 'garbage' })],
    ['with an ID token that was not signed here', () => ({ id_token_hint: forged() })],
    [
      'with an access token',
      () => ({ id_token_hint: server.deps.keys.sign('at+jwt', { iss: issuer, sub: 'usr_alice' }) }),
    ],
  ])('%s', async (_, parameters) => {
    await expectQuestion(await visit(parameters()))
  })

  test('by the name of the application, which cannot write into the page', async () => {
    const { page } = await expectQuestion(await visit({ client_id: 'desktop' }))
    expect(page).toContain('Desk &lt;b&gt;top&lt;/b&gt; asks to sign you out')
    expect(page).toContain('alice@acme.test')
  })

  test('and their yes signs them out and sends them on', async () => {
    const asked = await visit({ client_id: 'desktop', post_logout_redirect_uri: bye, state: '"x"' })
    expect(asked.headers.get('content-security-policy')).toContain(
      "form-action 'self' https://app.example;",
    )
    const { fields, Cookie } = await expectQuestion(asked)
    const response = await post(fields, { Cookie })
    expect(response.status).toBe(303)
    expect(response.headers.get('location')).toBe(`${bye}&state=%22x%22`)
    expect(isSignedIn()).toBe(false)
  })

  test('and a yes on their own ends on the page that says so', async () => {
    const { fields, Cookie } = await expectQuestion(await visit())
    const response = await post(fields, { Cookie })
    expect([response.status, response.headers.get('location')]).toEqual([303, `${issuer}/logout`])
    expect(await (await visit()).text()).toContain('You are signed out')
  })
})

describe('a yes that is not the person’s', () => {
  const expectRefused = async (response: Response, reason: string) => {
    expect(response.status).toBe(403)
    expect(response.headers.get('content-type')).toContain('text/html')
    expect(isSignedIn()).toBe(true)
    expect(server.log.at(-1)).toContain(reason)
  }

  test.each([
    { Origin: 'https://evil.example', 'Sec-Fetch-Site': 'cross-site' },
    { Origin: 'null', 'Sec-Fetch-Site': 'cross-site' },
    { Origin: 'http://127.0.0.1:4001', 'Sec-Fetch-Site': 'same-site' },
  ])('is refused from elsewhere (%o)', async (headers) => {
    const { fields, Cookie } = await questionOf(await visit())
    await expectRefused(await post(fields, { Cookie, ...headers }), 'foreign_origin')
  })

  test('is refused with the form of another session or a made-up token', async () => {
    const others = await visit({}, 'person=usr_bob')
    const { fields, Cookie } = await questionOf(others)
    await expectRefused(await post(fields, { Cookie }), 'wrong_form_token')
    await expectRefused(await post({ csrf: 'made-up' }, { Cookie }), 'wrong_form_token')
    await expectRefused(await post({ csrf: 'made-up' }), 'form_cookie_missing')
  })
})

describe('an address to go to', () => {
  test.each([
    'https://evil.example/',
    `${bye}&x=1`,
    'https://app.example/bye',
    'https://app.example/bye?from=behalf#f',
    'HTTPS://app.example/bye?from=behalf',
    'http://127.0.0.1:6277/bye',
    '//evil.example',
    'javascript:alert(1)',
    'https://other.example/bye',
    `${bye}\n`,
  ])('%s is not registered, so nobody is sent there', async (post_logout_redirect_uri) => {
    for (const more of [{ client_id: 'desktop' }, { id_token_hint: idToken() }]) {
      for (const cookie of [alice, '']) {
        const response = await visit({ ...more, post_logout_redirect_uri }, cookie)
        expect([response.status, response.headers.get('location')]).toEqual([400, null])
        expect(response.headers.get('content-type')).toContain('text/html')
        expect(await response.text()).not.toContain('evil')
      }
    }
    expect(isSignedIn()).toBe(true)
  })

  test('of nobody, of an unknown or of a disabled application is not taken', async () => {
    for (const more of [{}, { client_id: 'nobody' }, { client_id: 'off-app' }]) {
      const uri = 'https://off.example/bye'
      const response = await visit({ ...more, post_logout_redirect_uri: uri } as Parameters)
      expect([response.status, response.headers.get('location')]).toEqual([400, null])
    }
  })

  test('of one application does not come with the ID token of another', async () => {
    const response = await visit({
      id_token_hint: idToken(),
      client_id: 'other-app',
      post_logout_redirect_uri: 'https://other.example/bye',
    })
    expect([response.status, isSignedIn()]).toEqual([400, true])
    expect(server.log.at(-1)).toContain('client_mismatch')
  })

  test('is followed where nobody is signed in, if it is registered', async () => {
    const response = await visit({ client_id: 'desktop', post_logout_redirect_uri: bye }, '')
    expect([response.status, response.headers.get('location')]).toEqual([303, bye])
  })
})

describe('an application that posts', () => {
  test('is sent on by GET, where the cookie of the session comes along', async () => {
    const hint = idToken()
    const fields = { id_token_hint: hint, post_logout_redirect_uri: bye, state: 's', evil: 'x' }
    const response = await post(fields, {
      Cookie: '',
      Origin: 'https://app.example',
      'Sec-Fetch-Site': 'cross-site',
    })
    expect(response.status).toBe(303)
    const location = response.headers.get('location') ?? ''
    expect(location.startsWith(`${issuer}/logout?id_token_hint=`)).toBe(true)
    expect(location).not.toContain('evil')
    const followed = await server.fetch(location, { headers: { Cookie: alice } })
    expect(followed.headers.get('location')).toBe(`${bye}&state=s`)
    expect(isSignedIn()).toBe(false)
  })

  test('more than a URL can carry is refused', async () => {
    expect((await post({ state: 'x'.repeat(9000) })).status).toBe(413)
  })

  test.each(['client_id=desktop&client_id=other-app', 'state=%00', 'state=%0d%0aX: 1'])(
    '%s is refused, posted or not',
    async (text) => {
      const headers = { 'Content-Type': 'application/x-www-form-urlencoded' }
      const posted = await server.request('/logout', { method: 'POST', body: text, headers })
      const asked = await server.request(`/logout?${text}`)
      expect([posted.status, asked.status]).toEqual([400, 400])
    },
  )

  test('no other method is taken', async () => {
    const response = await server.request('/logout', { method: 'PUT' })
    expect([response.status, response.headers.get('allow')]).toEqual([405, 'GET, POST'])
  })
})
