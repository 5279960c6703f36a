/** What an authorization request must be, and where its answer goes. RFC 6749 §4.1, RFC 9700 §2.1. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { formTargetsOf } from '../src/authorization/waiting.js'
import {
  appUri,
  authorizeQuery,
  type Browser,
  createPKCE,
  getCode,
  nativeUri,
  openBrowser,
  openPeopleServer,
  type PageAnswer,
  type PeopleServer,
} from './browser.js'
import { docs, issuer, mail, otherTenantDocs } from './harness.js'

let server: PeopleServer
let browser: Browser
beforeAll(async () => {
  server = await openPeopleServer()
  browser = openBrowser(server, 'usr_alice')
})
afterAll(() => server.close())

const ask = (more: Record<string, string | string[] | undefined>): Promise<PageAnswer> =>
  browser.authorize(authorizeQuery(createPKCE(), more))

const lastReason = (): unknown => JSON.parse(server.log.at(-1) ?? '{}').reason

/** Refused on a page: nothing goes anywhere. */
const expectPage = (answer: PageAnswer, status = 400): void => {
  expect([answer.status, answer.location]).toEqual([status, undefined])
  expect(answer.headers.get('content-type')).toContain('text/html')
  expect(answer.text).toContain('role="alert"')
}

/** Told to the client, at its own address, with who says so. */
const expectRefusal = (answer: PageAnswer, error: string, uri = appUri): void => {
  expect([answer.status, answer.query.get('error')]).toEqual([303, error])
  expect(answer.location?.startsWith(`${uri}?`)).toBe(true)
  expect(answer.query.getAll('iss')).toEqual([issuer])
  expect(answer.query.get('state')).toBe('a state')
  expect(answer.query.has('code')).toBe(false)
}

describe('who asks', () => {
  test.each([
    ['an unknown client', { client_id: 'no-such-client' }, 'unknown_client'],
    ['no client', { client_id: undefined }, 'missing_client_id'],
    ['an empty client', { client_id: '' }, 'missing_client_id'],
    ['a client of no redirect URI', { client_id: 'helper' }, 'redirect_uri_mismatch'],
  ])('%s is refused on a page', async (_, more, reason) => {
    expectPage(await ask({ redirect_uri: 'https://evil.example/cb', ...more }))
    expect(lastReason()).toBe(reason)
  })

  test('nothing else that is wrong outranks the redirect URI', async () => {
    const evil = 'https://evil.example/cb'
    for (const more of [
      { response_type: 'token', scope: 'nope' },
      { prompt: 'none' },
      { code_challenge: undefined },
      { resource: 'https://nowhere.example' },
    ]) {
      expectPage(await ask({ redirect_uri: evil, ...more }))
      expect(lastReason()).toBe('redirect_uri_mismatch')
    }
  })

  test('a client that was switched off is as unknown as one that never was', async () => {
    const { text } = await ask({ client_id: 'no-such-client' })
    await server.database.write(`update clients set disabled = true where client_id = 'twin'`, [])
    const off = await ask({ client_id: 'twin', redirect_uri: 'https://app.example.test/other' })
    await server.database.write(`update clients set disabled = false where client_id = 'twin'`, [])
    expectPage(off)
    expect(off.text).toBe(text)
  })

  test('a client without the grant type is told so', async () => {
    const off = `update clients set grant_types = '{refresh_token}' where client_id = 'conf2'`
    await server.database.write(off, [])
    expectRefusal(await ask({ client_id: 'conf2' }), 'unauthorized_client')
  })
})

describe('where the answer goes', () => {
  test.each([
    'https://app.example.test/cb/../evil',
    'https://app.example.test/cb/%2e%2e/evil',
    'https://app.example.test/cb/..;/evil',
    'https://app.example.test/cb/',
    'https://app.example.test/cb/more',
    'https://app.example.test/cb?x=1',
    'https://app.example.test/cb#evil',
    'https://app.example.test/cb%23',
    'https://app.example.test/CB',
    'https://APP.example.test/cb',
    'HTTPS://app.example.test/cb',
    'http://app.example.test/cb',
    'https://app.example.test:443/cb',
    'https://app.example.test:8443/cb',
    'https://app.example.test./cb',
    'https://app.example.test@evil.example/cb',
    'https://app.example.test@a@evil.example/cb',
    'https://evil.example\\@app.example.test/cb',
    'https://app.example.test.evil.example/cb',
    'https://evil.example/https://app.example.test/cb',
    'https://app.example.test/%63%62',
    'https://аpp.example.test/cb',
    '//app.example.test/cb',
    'app.example.test/cb',
    'javascript:alert(1)',
    'JaVaScRiPt:alert(1)',
    'data:text/html,x',
    ' https://app.example.test/cb',
    'https://app.example.test/cb ',
    '*',
  ])('not to %s', async (redirect_uri) => {
    expectPage(await ask({ redirect_uri }))
    expect(lastReason()).toBe('redirect_uri_mismatch')
  })

  test.each([
    'http://localhost:6276/cb',
    'http://localhost.evil.test:8000/cb',
    'http://127.0.0.1.evil.test/cb',
    'http://127.0.0.1:6276.evil.test/cb',
    'http://127.0.0.1@evil.test/cb',
    'http://user@127.0.0.1:6276/cb',
    'http://127.0.0.1:/cb',
    'http://127.0.0.1:0/cb',
    'http://127.0.0.1:01/cb',
    'http://127.0.0.1:65536/cb',
    'http://127.0.0.1:999999/cb',
    'http://127.0.0.2:6276/cb',
    'http://127.1:6276/cb',
    'http://2130706433:9/cb',
    'http://0.0.0.0:9/cb',
    'http://[::ffff:7f00:1]:9/cb',
    'http://[0:0:0:0:0:0:0:1]:9/cb',
    'http://127.0.0.1:9/other',
    'http://127.0.0.1:9/cb/',
    'http://127.0.0.1:9/cb?x=1',
    'http://127.0.0.1:9/cb#x',
    'https://127.0.0.1:6276/cb',
  ])('of a program on the own machine, not to %s', async (redirect_uri) => {
    expectPage(await ask({ client_id: 'native', redirect_uri }))
  })

  test.each([nativeUri, 'http://127.0.0.1:51004/cb', 'http://127.0.0.1/cb', 'http://[::1]:9/cb'])(
    'of a program on the own machine, to %s, whatever the port',
    async (redirect_uri) => {
      const got = await getCode(server, { query: { client_id: 'native', redirect_uri } })
      expect(got.answer.location?.startsWith(`${redirect_uri}?code=`)).toBe(true)
    },
  )

  test('without a port of any choice for other addresses, loopback names included', async () => {
    await server.database.write(
      `update clients set redirect_uris = '{http://localhost:6276/cb,https://127.0.0.1:6276/cb}'
       where client_id = 'code-only'`,
      [],
    )
    const to = (redirect_uri: string) => ask({ client_id: 'code-only', redirect_uri })
    expect((await to('http://localhost:6276/cb')).status).toBe(200)
    expectPage(await to('http://localhost:6277/cb'))
    expectPage(await to('https://127.0.0.1:6277/cb'))
  })

  test('may be left out when there is one, and not when there are two', async () => {
    expect((await ask({ redirect_uri: undefined })).status).toBe(200)
    expectPage(await ask({ client_id: 'native', redirect_uri: undefined }))
    expect(lastReason()).toBe('missing_redirect_uri')
  })
})

describe('what is asked', () => {
  const short = 'a'.repeat(42)
  const challenge = createPKCE().challenge
  test.each([
    ['token', { response_type: 'token' }, 'unsupported_response_type'],
    ['id_token', { response_type: 'id_token' }, 'unsupported_response_type'],
    ['code token', { response_type: 'code token' }, 'unsupported_response_type'],
    ['none', { response_type: 'none' }, 'unsupported_response_type'],
    ['nothing', { response_type: '' }, 'invalid_request'],
    ['no type', { response_type: undefined }, 'invalid_request'],
    ['a fragment', { response_mode: 'fragment' }, 'invalid_request'],
    ['a posted form', { response_mode: 'form_post' }, 'invalid_request'],
    ['no challenge', { code_challenge: undefined }, 'invalid_request'],
    ['no method', { code_challenge_method: undefined }, 'invalid_request'],
    ['plain', { code_challenge_method: 'plain' }, 'invalid_request'],
    ['s256', { code_challenge_method: 's256' }, 'invalid_request'],
    ['S512', { code_challenge_method: 'S512' }, 'invalid_request'],
    ['42 characters', { code_challenge: short }, 'invalid_request'],
    ['44 characters', { code_challenge: 'a'.repeat(44) }, 'invalid_request'],
    ['129 characters', { code_challenge: 'a'.repeat(129) }, 'invalid_request'],
    ['other characters', { code_challenge: `${short}!` }, 'invalid_request'],
    ['padding', { code_challenge: `${challenge}=` }, 'invalid_request'],
    ['bits that are no part of it', { code_challenge: `${short}b` }, 'invalid_request'],
    ['a request object', { request: 'eyJhbGciOiJub25lIn0.e30.' }, 'request_not_supported'],
    ['nothing that is allowed', { scope: 'admin' }, 'invalid_scope'],
    ['nothing that is known', { scope: 'nope' }, 'invalid_scope'],
    ['no scope words', { scope: 'docs:read  docs:write' }, 'invalid_scope'],
    ['for nowhere', { resource: 'https://nowhere.example' }, 'invalid_target'],
    ['for no URI', { resource: 'nowhere' }, 'invalid_target'],
    ['for this server', { resource: issuer }, 'invalid_target'],
    ['for two organizations', { resource: [docs, otherTenantDocs] }, 'invalid_target'],
    ['for nothing', { resource: undefined }, 'invalid_target'],
    ['an unknown prompt', { prompt: 'create' }, 'invalid_request'],
    ['none and more', { prompt: 'none login' }, 'invalid_request'],
    ['a negative age', { max_age: '-1' }, 'invalid_request'],
    ['an age of words', { max_age: 'old' }, 'invalid_request'],
    ['a nonce without end', { nonce: 'n'.repeat(4097) }, 'invalid_request'],
  ])('%s is refused at the client', async (_, more, error) => {
    expectRefusal(await ask(more), error)
  })

  test("another organization's resource is refused to a client of this one", async () => {
    const answer = await ask({ client_id: 'assistant', resource: otherTenantDocs })
    expectRefusal(answer, 'invalid_target')
  })

  test.each([
    'client_id',
    'redirect_uri',
    'response_type',
    'scope',
    'state',
    'code_challenge',
    'prompt',
  ])('%s given twice is refused on a page', async (name) => {
    const query = authorizeQuery(createPKCE(), { prompt: 'consent' })
    query.append(name, query.get(name) ?? '')
    expectPage(await browser.authorize(query))
    expect(lastReason()).toBe('repeated_parameter')
  })

  test.each(['a\r\nSet-Cookie: p=1', '\u0000', '\ud800'])(
    'a state with the character of %j reaches no header',
    async (state) => {
      const query = authorizeQuery(createPKCE()).toString().replace('a+state', escapeBytes(state))
      const answer = await browser.get(`/authorize?${query}`)
      expect(answer.status).toBeLessThan(500)
      expect(answer.headers.get('set-cookie') ?? '').not.toContain('p=1')
    },
  )

  test.each(['"><script>alert(1)</script>', 'x'.repeat(4096), 'ü&=#+%', '😀'])(
    'the state %j comes back as it was, and stands on no page',
    async (state) => {
      const got = await getCode(server, { query: { state, prompt: 'consent' } })
      expect(got.answer.query.get('state')).toBe(state)
      const page = await ask({ state, prompt: 'consent' })
      expect(page.text).not.toContain('<script>alert')
    },
  )

  test.each([
    ['4097 characters', 'x'.repeat(4097)],
    ['few that are long in a URL', 'ü'.repeat(700)],
  ])('a state of %s goes back nowhere, whatever else is wrong', async (_, state) => {
    for (const more of [{}, { response_type: 'token' }, { prompt: 'none' }]) {
      expectPage(await ask({ state, ...more }))
      expect(lastReason()).toBe('state_too_long')
    }
    const query = authorizeQuery(createPKCE(), { state: 'x'.repeat(60_000), scope: 'nope' })
    expectPage(await browser.post('/authorize', Object.fromEntries(query)))
    expect(lastReason()).toBe('state_too_long')
  })

  test('a parameter that nobody knows is passed over', async () => {
    const page = await ask({ zzz: '<b>x</b>', 'scope[]': 'admin', prompt: 'consent' })
    expect(page.status).toBe(200)
    expect(page.text).not.toContain('<b>x</b>')
    expect(page.text).not.toContain('admin')
  })

  test('of a scope that is too wide, what is allowed is granted', async () => {
    const scope = 'admin docs:read mail:send offline_access'
    const got = await getCode(server, { query: { scope } })
    expect(got.answer.query.has('code')).toBe(true)
    const page = await ask({ scope, prompt: 'consent' })
    expect(page.text).toContain('Read your documents')
    expect(page.text).not.toMatch(/admin|mail:send|offline/)
  })

  test('without a scope it is all that the client has there, and nothing about the person', async () => {
    const page = await ask({ scope: undefined, prompt: 'consent' })
    expect(page.text).toContain('docs:write')
    expect(page.text).not.toContain('email address')
  })

  test('a form may be posted instead of the query', async () => {
    const body = authorizeQuery(createPKCE(), { prompt: 'consent' })
    const answer = await browser.post('/authorize', Object.fromEntries(body))
    expect(answer.status).toBe(200)
    expect(answer.text).toContain('Public App')
  })
})

/** As they would come over the wire: half of a surrogate pair has no UTF-8. */
const escapeBytes = (text: string): string =>
  text === '\ud800' ? '%ED%A0%80' : encodeURIComponent(text)

describe('the answer', () => {
  test('says who answers, once, with a code and without', async () => {
    const { answer } = await getCode(server)
    expect(answer.status).toBe(303)
    expect(answer.query.getAll('iss')).toEqual([issuer])
    expect([...answer.query.keys()].sort()).toEqual(['code', 'iss', 'state'])
    const metadata = await (await server.request('/.well-known/oauth-authorization-server')).json()
    expect(metadata.authorization_response_iss_parameter_supported).toBe(true)
  })

  test('is kept by nobody, and the address of the answer by no referrer', async () => {
    const { answer } = await getCode(server)
    expect(answer.headers.get('cache-control')).toBe('no-store')
    expect(answer.headers.get('referrer-policy')).toBe('no-referrer')
  })

  test('leaves a query that the client has registered as it is', async () => {
    const uri = 'https://app.example.test/cb?tenant=a%20b'
    const set = `update clients set redirect_uris = array[$1] where client_id = 'conf'`
    await server.database.write(set, [uri])
    const got = await getCode(server, { query: { client_id: 'conf', redirect_uri: uri } })
    expect(got.answer.location?.startsWith(`${uri}&code=ac_`)).toBe(true)
  })
})

describe('who is there', () => {
  const signInOf = (answer: PageAnswer) => {
    expect(answer.status).toBe(303)
    expect(answer.location?.startsWith('/sign-in?')).toBe(true)
    return answer.query
  }

  test('nobody: they sign in first and come back to the same request', async () => {
    const nobody = openBrowser(server)
    const query = authorizeQuery(createPKCE(), { prompt: 'consent', login_hint: 'alice@acme.test' })
    const asked = signInOf(await nobody.authorize(query))
    expect(asked.get('login_hint')).toBe('alice@acme.test')
    const returnTo = asked.get('return_to') ?? ''
    expect(returnTo).toMatch(/^\/authorize\?continue=ar_[A-Za-z0-9_-]{43}$/)
    expect(signInOf(await nobody.get(returnTo)).get('return_to')).toBe(returnTo)
    nobody.signInAs('usr_alice')
    const answer = await nobody.answer(await nobody.get(returnTo))
    expect(answer.query.get('state')).toBe('a state')
    expect(answer.query.has('code')).toBe(true)
  })

  test('and what the pages of sign-in let their forms end at is the client that waits', async () => {
    const query = authorizeQuery(createPKCE())
    const asked = signInOf(await openBrowser(server).authorize(query))
    const returnTo = asked.get('return_to') ?? ''
    expect(await formTargetsOf(returnTo, server.deps)).toEqual(['https://app.example.test'])
    for (const other of ['/account', '/authorize?continue=ar_x', `/device?${returnTo}`]) {
      expect(await formTargetsOf(other, server.deps)).toEqual([])
    }
  })

  test('and without a page nobody is asked', async () => {
    expectRefusal(
      await openBrowser(server).authorize(authorizeQuery(createPKCE(), { prompt: 'none' })),
      'login_required',
    )
    expectRefusal(await ask({ prompt: 'none', scope: 'docs:write' }), 'consent_required')
  })

  test.each([{ prompt: 'login' }, { prompt: 'select_account' }, { max_age: '0' }])(
    'somebody, who has to prove it again for %j',
    async (more) => {
      server.clock.advance(1)
      const asked = signInOf(await ask({ ...more, scope: 'docs:write' }))
      expect(asked.get('prompt')).toBe('login')
      const returnTo = asked.get('return_to') ?? ''
      server.clock.advance(30)
      signInOf(await browser.get(returnTo))
      server.people.signIn('usr_alice')
      expect((await browser.get(returnTo)).status).toBe(200)
    },
  )

  test('somebody, who proved it long ago', async () => {
    server.clock.advance(1)
    server.people.signIn('usr_alice')
    server.clock.advance(60)
    expect((await ask({ max_age: '60', prompt: 'consent' })).status).toBe(200)
    signInOf(await ask({ max_age: '59' }))
    expectRefusal(await ask({ max_age: '59', prompt: 'none' }), 'login_required')
  })

  test('somebody who is no member of the organization that it belongs to', async () => {
    const carol = openBrowser(server, 'usr_carol')
    expectRefusal(await carol.authorize(authorizeQuery(createPKCE())), 'access_denied')
    const page = await carol.authorize(
      authorizeQuery(createPKCE(), { resource: mail, scope: 'mail:send' }),
    )
    expect(page.status).toBe(200)
  })

  test('a request is remembered for half an hour, and no longer', async () => {
    const nobody = openBrowser(server)
    const answer = await nobody.authorize(authorizeQuery(createPKCE(), { prompt: 'consent' }))
    const returnTo = answer.query.get('return_to') ?? ''
    nobody.signInAs('usr_alice')
    server.clock.advance(1799)
    expect((await nobody.get(returnTo)).status).toBe(200)
    server.clock.advance(1)
    expectPage(await nobody.get(returnTo))
    const count = 'select count(*)::int as n from authorization_requests'
    expect((await server.database.read(count, []))[0]?.n).toBeGreaterThan(0)
    server.clock.advance(1)
    await server.deps.store.authorizationRequests.forget(server.clock.now())
    expect((await server.database.read(count, []))[0]?.n).toBe(0)
  })
})
