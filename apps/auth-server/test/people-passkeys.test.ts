/** Passkeys: an authenticator in software, which can do wrong what a real one never would. */
import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import {
  type Browser,
  baseConfig,
  createBrowser,
  createClock,
  openTestServer,
  type TestServer,
} from './harness.js'

/** No browser makes a passkey for an IP address. */
const issuer = 'http://localhost:4000'
const origin = issuer
const password = 'seven quiet rivers'
const person = (name: string) => ({ email: `${name}@acme.test`, name, password, tenant_id: 'acme' })

let server: TestServer
beforeAll(async () => {
  server = await openTestServer({
    config: { ...baseConfig, users: [person('pia'), person('quentin')] },
    issuer,
    clock: createClock(new Date().toISOString()),
  })
})
afterAll(() => server.close())
beforeEach(() => server.database.write('delete from attempts', []))

const sha256 = (data: string | Buffer): Buffer => createHash('sha256').update(data).digest()
const text = (data: Buffer): string => data.toString('base64url')

/** RFC 8949 §3: the head of an item, for what fits in two bytes. */
const head = (major: number, value: number): Buffer => {
  if (value < 24) return Buffer.from([(major << 5) | value])
  if (value < 256) return Buffer.from([(major << 5) | 24, value])
  return Buffer.from([(major << 5) | 25, value >> 8, value & 255])
}

type Item = number | string | Buffer | Map<number | string, Item>

const cbor = (item: Item): Buffer => {
  if (typeof item === 'number') return item < 0 ? head(1, -1 - item) : head(0, item)
  if (typeof item === 'string')
    return Buffer.concat([head(3, Buffer.byteLength(item)), Buffer.from(item)])
  if (Buffer.isBuffer(item)) return Buffer.concat([head(2, item.length), item])
  const pairs = [...item].flatMap(([name, value]) => [cbor(name), cbor(value)])
  return Buffer.concat([head(5, item.size), ...pairs])
}

/** RFC 9053 §7.1.1: EC2, ES256, P-256. */
const coseKey = (key: KeyObject): Buffer => {
  const { x = '', y = '' } = key.export({ format: 'jwk' })
  const point = [x, y].map((one) => Buffer.from(one, 'base64url'))
  return cbor(
    new Map<number, Item>([
      [1, 2],
      [3, -7],
      [-1, 1],
      [-2, point[0] ?? ''],
      [-3, point[1] ?? ''],
    ]),
  )
}

/** What goes wrong; by default nothing does. */
interface Wrong {
  origin?: string
  challenge?: string
  rpId?: string
  type?: string
  counter?: number
  signer?: KeyObject
  /** WebAuthn §6.1: 1 is "user present". */
  flags?: number
}

const createAuthenticator = () => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const id = randomBytes(16)
  let counter = 0

  const authData = (
    flags: number,
    { rpId = 'localhost', ...wrong }: Wrong,
    more = Buffer.alloc(0),
  ) => {
    counter += 1
    const count = Buffer.alloc(4)
    count.writeUInt32BE(wrong.counter ?? counter)
    return Buffer.concat([sha256(rpId), Buffer.from([wrong.flags ?? flags]), count, more])
  }
  const clientData = (type: string, challenge: string, wrong: Wrong): Buffer =>
    Buffer.from(
      JSON.stringify({
        type: wrong.type ?? type,
        challenge: wrong.challenge ?? challenge,
        origin: wrong.origin ?? origin,
        crossOrigin: false,
      }),
    )
  const shared = { id: text(id), rawId: text(id), type: 'public-key', clientExtensionResults: {} }

  return {
    id: text(id),
    privateKey,
    /** `navigator.credentials.create` */
    create: ({ challenge }: { challenge: string }, wrong: Wrong = {}) => {
      const length = Buffer.from([0, id.length])
      const attested = Buffer.concat([Buffer.alloc(16), length, id, coseKey(publicKey)])
      const made = new Map<string, Item>([
        ['fmt', 'none'],
        ['attStmt', new Map()],
        ['authData', authData(0x45, wrong, attested)],
      ])
      return {
        ...shared,
        response: {
          clientDataJSON: text(clientData('webauthn.create', challenge, wrong)),
          attestationObject: text(cbor(made)),
          transports: ['internal'],
        },
      }
    },
    /** `navigator.credentials.get` */
    get: ({ challenge }: { challenge: string }, wrong: Wrong = {}) => {
      const data = clientData('webauthn.get', challenge, wrong)
      const authenticatorData = authData(0x05, wrong)
      const signed = Buffer.concat([authenticatorData, sha256(data)])
      return {
        ...shared,
        response: {
          clientDataJSON: text(data),
          authenticatorData: text(authenticatorData),
          signature: text(sign('sha256', signed, wrong.signer ?? privateKey)),
        },
      }
    },
  }
}
type Authenticator = ReturnType<typeof createAuthenticator>

/** As the script of the page does it. */
const options = async (browser: Browser, what: 'register' | 'authenticate') => {
  const answer = await browser.get(`/auth/passkey/generate-${what}-options`)
  return { status: answer.status, body: (await answer.json()) as { challenge: string } }
}

const verify = async (
  browser: Browser,
  what: 'registration' | 'authentication',
  response: object,
  headers: Record<string, string> = {},
): Promise<number> => {
  const answer = await server.request(`/auth/passkey/verify-${what}`, {
    method: 'POST',
    headers: {
      Cookie: browser.cookie(),
      Origin: origin,
      'Content-Type': 'application/json',
      ...headers,
    },
    body: JSON.stringify({ response }),
  })
  for (const line of answer.headers.getSetCookie()) {
    const [pair = ''] = line.split(';', 1)
    const at = pair.indexOf('=')
    browser.cookies.set(pair.slice(0, at), pair.slice(at + 1))
  }
  return answer.status
}

const enter = async (name: string): Promise<Browser> => {
  const browser = createBrowser(server, issuer)
  expect((await browser.fill('/sign-in', person(name))).status).toBe(303)
  return browser
}

const whoIs = async (browser: Browser): Promise<string | undefined> => {
  const request = new Request(issuer, { headers: { cookie: browser.cookie() } })
  return (await server.deps.people.sessionOf(request))?.person.name
}

const register = async (name: string, authenticator = createAuthenticator()) => {
  const browser = await enter(name)
  const { body } = await options(browser, 'register')
  expect(await verify(browser, 'registration', authenticator.create(body))).toBe(200)
  return authenticator
}

const signInWith = async (authenticator: Authenticator, wrong: Wrong = {}) => {
  const browser = createBrowser(server, issuer)
  const { body } = await options(browser, 'authenticate')
  const response = authenticator.get(body, wrong)
  const status = await verify(browser, 'authentication', response)
  return { browser, status, response, who: await whoIs(browser) }
}

describe('sign-in with a passkey', () => {
  let pias: Authenticator
  let quentins: Authenticator
  beforeAll(async () => {
    pias = await register('pia')
    quentins = await register('quentin')
  })

  test('lets in the person whose key it is, each time', async () => {
    expect(await signInWith(pias)).toMatchObject({ status: 200, who: 'pia' })
    expect(await signInWith(quentins)).toMatchObject({ status: 200, who: 'quentin' })
    expect(await signInWith(pias)).toMatchObject({ status: 200, who: 'pia' })
  })

  test.each<[string, () => Wrong]>([
    ['for another origin', () => ({ origin: 'https://evil.example' })],
    ['for another port of this host', () => ({ origin: 'http://localhost:4001' })],
    ['for another relying party', () => ({ rpId: 'evil.example' })],
    ['over a challenge that nobody gave', () => ({ challenge: text(randomBytes(32)) })],
    ['with the key of another person', () => ({ signer: quentins.privateKey })],
    ['that was made for a registration', () => ({ type: 'webauthn.create' })],
    ['with a counter that has run back', () => ({ counter: 1 })],
    ['without anybody there', () => ({ flags: 0 })],
  ])('refuses an assertion %s', async (_, wrong) => {
    const { status, who } = await signInWith(pias, wrong())
    expect([status, who]).toEqual([expect.toSatisfy((n: number) => n >= 400 && n < 500), undefined])
    expect(await signInWith(pias)).toMatchObject({ status: 200, who: 'pia' })
  })

  test('refuses an assertion that was used, in the same browser and in another one', async () => {
    const { browser, response, status } = await signInWith(pias)
    expect(status).toBe(200)
    await browser.get('/sign-in')
    for (const other of [browser, createBrowser(server, issuer)]) {
      other.cookies.delete('behalf.session_token')
      expect(await verify(other, 'authentication', response)).toBe(400)
      expect(await whoIs(other)).toBeUndefined()
    }
  })

  test('refuses one that was used, also when the browser kept the cookie of its challenge', async () => {
    const browser = createBrowser(server, issuer)
    const { body } = await options(browser, 'authenticate')
    const kept = new Map(browser.cookies)
    const response = pias.get(body)
    expect(await verify(browser, 'authentication', response)).toBe(200)
    browser.cookies.clear()
    for (const [name, value] of kept) browser.cookies.set(name, value)
    expect(await verify(browser, 'authentication', response)).toBe(400)
    expect(await whoIs(browser)).toBeUndefined()
  })

  test('of 16 at once with one assertion, one gets in', async () => {
    const browser = createBrowser(server, issuer)
    const { body } = await options(browser, 'authenticate')
    const response = pias.get(body)
    const copies = Array.from({ length: 16 }, () => {
      const copy = createBrowser(server, issuer)
      for (const [name, value] of browser.cookies) copy.cookies.set(name, value)
      return copy
    })
    const statuses = await Promise.all(copies.map((one) => verify(one, 'authentication', response)))
    expect(statuses.filter((status) => status === 200)).toHaveLength(1)
  })

  test('refuses one for the challenge of another browser', async () => {
    const one = createBrowser(server, issuer)
    const other = createBrowser(server, issuer)
    const { body } = await options(one, 'authenticate')
    await options(other, 'authenticate')
    expect(await verify(other, 'authentication', pias.get(body))).toBe(400)
    expect(await whoIs(other)).toBeUndefined()
  })

  test('refuses a key that nobody has registered', async () => {
    const { status, who } = await signInWith(createAuthenticator())
    expect([status, who]).toEqual([401, undefined])
  })

  test('refuses a request from another site', async () => {
    const browser = createBrowser(server, issuer)
    const { body } = await options(browser, 'authenticate')
    const foreign = { Origin: 'https://evil.example' }
    expect(await verify(browser, 'authentication', pias.get(body), foreign)).toBe(404)
    expect(await whoIs(browser)).toBeUndefined()
  })

  test('ends where the person is switched off, and with the key', async () => {
    const off = (is: boolean) =>
      server.database.write(`update users set disabled = $1 where name = 'quentin'`, [is])
    await off(true)
    expect((await signInWith(quentins)).who).toBeUndefined()
    await off(false)
    const browser = await enter('quentin')
    const [row] = await server.database.read('select id from passkeys where credential_id = $1', [
      quentins.id,
    ])
    const remove = '/account/security/passkeys/remove'
    const pia = await enter('pia')
    const foreign = await pia.fill('/account/security', { id: String(row?.id) }, remove)
    expect(foreign.status).toBeGreaterThanOrEqual(400)
    expect(foreign.status).toBeLessThan(500)
    expect((await signInWith(quentins)).who).toBe('quentin')
    const gone = await browser.fill('/account/security', { id: String(row?.id) }, remove)
    expect(gone.status).toBe(303)
    expect(await signInWith(quentins)).toMatchObject({ status: 401, who: undefined })
  })

  test('answers what is no assertion with a refusal, never with a failure', async () => {
    for (const response of [
      {},
      { id: {} },
      { id: pias.id },
      { ...pias.get({ challenge: '' }), response: 7 },
    ]) {
      const browser = createBrowser(server, issuer)
      await options(browser, 'authenticate')
      const status = await verify(browser, 'authentication', response)
      expect([response, status]).toEqual([response, expect.toSatisfy((n: number) => n < 500)])
    }
  })
})

describe('adding a passkey', () => {
  test('needs a session', async () => {
    const stranger = createBrowser(server, issuer)
    expect((await options(stranger, 'register')).status).toBe(401)
    const made = createAuthenticator().create({ challenge: text(randomBytes(32)) })
    expect(await verify(stranger, 'registration', made)).toBe(401)
  })

  test.each<[string, Wrong]>([
    ['for another origin', { origin: 'https://evil.example' }],
    ['for another relying party', { rpId: 'evil.example' }],
    ['over a challenge that nobody gave', { challenge: text(randomBytes(32)) }],
    ['that was made for a sign-in', { type: 'webauthn.get' }],
  ])('refuses one %s', async (_, wrong) => {
    const authenticator = createAuthenticator()
    const browser = await enter('pia')
    const { body } = await options(browser, 'register')
    const status = await verify(browser, 'registration', authenticator.create(body, wrong))
    expect(status).toBe(400)
    expect((await signInWith(authenticator)).who).toBeUndefined()
  })

  test('is for the person who asked for it, and once', async () => {
    const pia = await enter('pia')
    const quentin = await enter('quentin')
    const authenticator = createAuthenticator()
    const { body } = await options(pia, 'register')
    const made = authenticator.create(body)
    // Her challenge in his browser, and the cookie that goes with it.
    const name = [...pia.cookies.keys()].find((one) => one.includes('passkey')) ?? ''
    quentin.cookies.set(name, pia.cookies.get(name) ?? '')
    expect(await verify(quentin, 'registration', made)).toBe(401)
    expect((await signInWith(authenticator)).who).toBeUndefined()

    const again = await options(pia, 'register')
    const kept = pia.cookies.get(name) ?? ''
    expect(await verify(pia, 'registration', authenticator.create(again.body))).toBe(200)
    pia.cookies.set(name, kept)
    const other = createAuthenticator()
    expect(await verify(pia, 'registration', other.create(again.body))).toBe(400)
    expect((await signInWith(other)).who).toBeUndefined()
  })

  test('of a key that somebody has already is refused', async () => {
    const authenticator = await register('pia')
    const quentin = await enter('quentin')
    const { body } = await options(quentin, 'register')
    const status = await verify(quentin, 'registration', authenticator.create(body))
    expect(status).toBe(400)
    expect((await signInWith(authenticator)).who).toBe('pia')
  })
})
