/** Sign-in with GitHub and Google, which are stood in for at their own addresses. */
import { exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { baseConfig, createBrowser, issuer, openTestServer, type TestServer } from './harness.js'

/** Somebody at the other site, as both of them would tell it. */
interface Account {
  id: string
  email: string
  verified: boolean
  name: string
  /** GitHub: what the profile shows, which may be nothing. */
  shown?: string | null
  /** GitHub: without the right to list addresses it answers 404. */
  hidesAddresses?: boolean
}

const client = { client_id: 'behalf-there', client_secret: 'a-secret-of-the-site' }
const providers = ['github', 'google'] as const
type Provider = (typeof providers)[number]

let account: Account
const asked: { address: string; form: URLSearchParams; authorization: string | null }[] = []
let key: CryptoKey
let jwk: JWK

const idToken = (): Promise<string> => {
  const { id, email, verified, name } = account
  return new SignJWT({ email, email_verified: verified, name })
    .setProtectedHeader({ alg: 'RS256', kid: 'one' })
    .setSubject(id)
    .setIssuer('https://accounts.google.com')
    .setAudience(client.client_id)
    .setIssuedAt()
    .setExpirationTime('1h')
    .sign(key)
}

const sites: Record<string, () => unknown> = {
  'https://github.com/login/oauth/access_token': () => ({
    access_token: 'gho_x',
    token_type: 'bearer',
  }),
  'https://api.github.com/user': () => ({
    id: Number(account.id),
    login: account.name.toLowerCase(),
    name: account.name,
    email: account.shown === undefined ? account.email : account.shown,
    avatar_url: 'https://avatars.example/1',
  }),
  'https://api.github.com/user/emails': () =>
    account.hidesAddresses
      ? undefined
      : [
          { email: 'spare@other.test', primary: false, verified: true },
          { email: account.email, primary: true, verified: account.verified },
        ],
  'https://oauth2.googleapis.com/token': async () => ({
    access_token: 'ya29.x',
    token_type: 'Bearer',
    id_token: await idToken(),
  }),
  'https://www.googleapis.com/oauth2/v3/certs': () => ({ keys: [jwk] }),
}

/** In place of the network: better-auth knows these sites by addresses that cannot be set. */
const standIn = async (input: RequestInfo | URL, init?: RequestInit): Promise<Response> => {
  const request = new Request(input, init)
  const { origin, pathname } = new URL(request.url)
  const address = origin + pathname
  const site = sites[address]
  if (!site) throw new Error(`nobody stands in for ${address}`)
  const form = new URLSearchParams(await request.text())
  asked.push({ address, form, authorization: request.headers.get('authorization') })
  const body = await site()
  return body === undefined ? new Response('{}', { status: 404 }) : Response.json(body)
}

const social = Object.fromEntries(providers.map((one) => [one, client]))
const people = (more: object = {}) => ({
  sign_up: 'open',
  breached_passwords: { enabled: false },
  social,
  ...more,
})

const vera = { email: 'vera@acme.test', password: 'some long password', name: 'Vera' }

let server: TestServer
beforeAll(async () => {
  const pair = await generateKeyPair('RS256', { extractable: true })
  key = pair.privateKey
  jwk = { ...(await exportJWK(pair.publicKey)), kid: 'one', alg: 'RS256', use: 'sig' }
  vi.stubGlobal('fetch', standIn)
  server = await openTestServer({ config: { ...baseConfig, users: [vera], people: people() } })
})
afterAll(async () => {
  vi.unstubAllGlobals()
  await server.close()
})

/** There and back, as the browser would go. */
const travel = async (provider: Provider, as: Account, at = server) => {
  account = as
  asked.length = 0
  const browser = createBrowser(at)
  const away = await browser.get(`/sign-in/with/${provider}?return_to=/device`)
  const target = new URL(away.headers.get('location') ?? 'http://nowhere')
  const state = target.searchParams.get('state') ?? ''
  const query = new URLSearchParams({ code: 'abc', state })
  const back = await browser.get(`/auth/callback/${provider}?${query}`)
  const request = new Request(issuer, { headers: { cookie: browser.cookie() } })
  const session = await at.deps.people.sessionOf(request)
  return { browser, target, back, person: session?.person }
}

const accountsOf = async (id: string): Promise<unknown[]> =>
  server.database.read('select user_id, provider_id from accounts where account_id = $1', [id])
const find = async (email: string) => (await server.deps.store.people.findByEmail(email))?.person

let next = 1000
/** Somebody who has never been here. */
const newcomer = (more: Partial<Account> = {}): Account => {
  next += 1
  return {
    id: String(next),
    email: `n${next}@social.test`,
    verified: true,
    name: `N${next}`,
    ...more,
  }
}

const addresses = {
  github: [
    'https://github.com/login/oauth/authorize',
    'https://github.com/login/oauth/access_token',
  ],
  google: ['https://accounts.google.com/o/oauth2/v2/auth', 'https://oauth2.googleapis.com/token'],
} as const

describe.each(providers)('an account of %s', (provider) => {
  test('signs in whom the other site has confirmed, with PKCE, and ends where one wanted to go', async () => {
    const fay = newcomer({ name: 'Fay' })
    const { target, back, person } = await travel(provider, fay)
    const [authorize, token] = addresses[provider]
    expect(target.origin + target.pathname).toBe(authorize)
    expect(Object.fromEntries(target.searchParams)).toMatchObject({
      response_type: 'code',
      client_id: client.client_id,
      redirect_uri: `${issuer}/auth/callback/${provider}`,
      code_challenge_method: 'S256',
    })
    expect(target.searchParams.get('scope')).toContain('email')
    expect(target.searchParams.get('state')?.length).toBeGreaterThan(20)
    const exchange = asked.find(({ address }) => address === token)?.form
    expect(Object.fromEntries(exchange ?? [])).toMatchObject({
      grant_type: 'authorization_code',
      code: 'abc',
      redirect_uri: `${issuer}/auth/callback/${provider}`,
      code_verifier: expect.stringMatching(/^[\w-]{43,}$/),
    })
    expect(back.headers.get('location')).toBe(`${issuer}/device`)
    expect(person).toMatchObject({
      email: fay.email,
      emailVerified: true,
      name: 'Fay',
      role: 'user',
    })
    expect((await travel(provider, fay)).person?.sub).toBe(person?.sub)
  })

  test('keeps no tokens of the other site', async () => {
    const rows = await server.database.read(
      `select distinct access_token, refresh_token, id_token from accounts where provider_id = $1`,
      [provider],
    )
    expect(rows).toEqual([{ access_token: null, refresh_token: null, id_token: null }])
  })

  test('is joined to the account of the same address, which both have confirmed', async () => {
    const known = await find(vera.email)
    const mine = newcomer({ email: vera.email, name: 'Somebody' })
    const { person } = await travel(provider, mine)
    expect(person).toMatchObject({ sub: known?.sub, name: 'Vera' })
    expect(await accountsOf(mine.id)).toEqual([{ user_id: known?.sub, provider_id: provider }])
  })

  test('takes over nothing with an address that the other site has not confirmed', async () => {
    const thief = newcomer({ email: vera.email, verified: false })
    const { person, back, browser } = await travel(provider, thief)
    expect(person).toBeUndefined()
    expect(browser.cookie()).not.toContain('session_token')
    expect(new URL(back.headers.get('location') ?? '').pathname).toBe('/sign-in')
    expect(await accountsOf(thief.id)).toEqual([])
  })

  test('takes over nothing by the same address in capitals, either', async () => {
    const thief = newcomer({ email: vera.email.toUpperCase(), verified: false })
    expect((await travel(provider, thief)).person).toBeUndefined()
    expect(await accountsOf(thief.id)).toEqual([])
  })

  test('is not joined to an account here that nobody has confirmed: a stranger may have made it', async () => {
    const owner = newcomer()
    const early = `usr_early_${provider}`
    await server.database.write('insert into users (id, email, name) values ($1, $2, $3)', [
      early,
      owner.email,
      'Early',
    ])
    const { person } = await travel(provider, owner)
    expect(person).toBeUndefined()
    expect(await accountsOf(owner.id)).toEqual([])
    expect(await find(owner.email)).toMatchObject({ sub: early, emailVerified: false })
  })

  test('gives no session to a new person whose address nobody has confirmed', async () => {
    const gus = newcomer({ verified: false })
    expect((await travel(provider, gus)).person).toBeUndefined()
  })

  test('stays that of the same person when the address there becomes that of another', async () => {
    const one = newcomer()
    const first = await travel(provider, one)
    const moved = await travel(provider, { ...one, email: vera.email })
    expect(moved.person).toMatchObject({ sub: first.person?.sub, email: one.email })
    expect((await find(vera.email))?.name).toBe('Vera')
  })

  test('does not let in who is switched off', async () => {
    const off = newcomer()
    const first = await travel(provider, off)
    expect(first.person).toBeDefined()
    await server.database.write('update users set disabled = true where email = $1', [off.email])
    expect((await travel(provider, off)).browser.cookie()).not.toContain('session_token')
  })

  test.each(['closed', 'invited'])('makes no account where sign-up is %s', async (mode) => {
    const closed = await openTestServer({
      config: { ...baseConfig, people: people({ sign_up: mode }) },
      database: server.database,
      clock: server.clock,
    })
    const nina = newcomer()
    expect((await travel(provider, nina, closed)).person).toBeUndefined()
    expect(await find(nina.email)).toBeUndefined()
  })

  test('is on the page of sign-in, and the callback of another site is not there', async () => {
    const html = await (await server.request('/sign-in')).text()
    expect(html).toContain(`/sign-in/with/${provider}?`)
    expect((await server.request('/auth/callback/gitlab?code=a&state=b')).status).toBe(404)
  })
})

describe('GitHub', () => {
  test('is asked for the addresses where the profile shows none', async () => {
    const shy = newcomer({ shown: null })
    const { person } = await travel('github', shy)
    expect(person).toMatchObject({ email: shy.email, emailVerified: true })
    const list = asked.find(({ address }) => address.endsWith('/emails'))
    expect(list?.authorization).toBe('Bearer gho_x')
  })

  test('confirms no address that the profile shows and the list does not have', async () => {
    const thief = newcomer({ shown: vera.email })
    expect((await travel('github', thief)).person).toBeUndefined()
    expect(await accountsOf(thief.id)).toEqual([])
  })

  test('confirms nothing where the list cannot be read', async () => {
    const thief = newcomer({ email: vera.email, hidesAddresses: true })
    expect((await travel('github', thief)).person).toBeUndefined()
    expect(await accountsOf(thief.id)).toEqual([])
  })
})
