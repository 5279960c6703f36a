/** New accounts, letters, new passwords, and lists of stolen ones. */
import { createHash } from 'node:crypto'
import { createServer, type Server } from 'node:http'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import type { Letter } from '../src/people/mailer.js'
import { baseConfig, createBrowser, openTestServer, signIn, type TestServer } from './harness.js'

const letters: Letter[] = []
const mailer = async (letter: Letter) => {
  letters.push(letter)
}

const stolen = 'a password in every list'

/** Speaks the range API: the rest of each hash, and how often it was seen. */
const asked: string[] = []
let isAway = false
let list: Server
const startList = (): Promise<string> => {
  const hash = createHash('sha1').update(stolen).digest('hex').toUpperCase()
  const padded = createHash('sha1').update('padding only, no leak').digest('hex').toUpperCase()
  list = createServer((request, response) => {
    asked.push(request.url ?? '')
    if (isAway) return response.writeHead(500).end()
    response.end(
      [hash, padded]
        .filter((one) => request.url === `/range/${one.slice(0, 5)}`)
        .map((one) => `${one.slice(5)}:${one === hash ? 3 : 0}`)
        .concat('0018A45C4D1DEF81644B54AB7F969B88D65:1')
        .join('\r\n'),
    )
  })
  return new Promise((resolve) => {
    list.listen(0, '127.0.0.1', () => {
      const address = list.address()
      resolve(`http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`)
    })
  })
}

let server: TestServer
let url: string
const people = (more: object = {}) => ({
  sign_up: 'open',
  default_tenant_id: 'acme',
  breached_passwords: { url, when_unreachable: 'allow' },
  ...more,
})

beforeAll(async () => {
  url = await startList()
  server = await openTestServer({ config: { ...baseConfig, people: people() }, mailer })
})
afterAll(async () => {
  await server.close()
  list.close()
})
afterEach(() => {
  letters.length = 0
  isAway = false
})

const bob = { email: 'bob@acme.test', password: 'tall green lamp post', name: 'Bob' }

const pathOf = (letter: Letter | undefined): string => {
  const { pathname, search } = new URL(letter?.link ?? '')
  return pathname + search
}

const signUp = (fields: Record<string, string>, at = server) =>
  createBrowser(at).fill('/sign-up?return_to=/device', fields)

test('from sign-up over the letter to the first sign-in, as a member of the default organization', async () => {
  const answer = await signUp(bob)
  expect(answer.status).toBe(200)
  expect(answer.headers.getSetCookie().join()).not.toContain('session_token')
  expect(letters).toMatchObject([{ to: bob.email, subject: 'Confirm your e-mail address' }])
  expect(letters[0]?.text).toContain(`\n${letters[0]?.link}\n`)

  const early = await createBrowser(server).fill('/sign-in', bob)
  expect(early.status).toBe(403)
  expect(await early.text()).toContain('not confirmed yet')

  const browser = createBrowser(server)
  const letter = pathOf(letters[0])
  expect(letter).toContain('return_to=%2Fdevice')
  // Opening the link confirms nothing: programs that look into mail do that, too.
  expect((await browser.get(letter)).status).toBe(200)
  expect((await createBrowser(server).fill('/sign-in', bob)).status).toBe(403)
  const done = await browser.fill(letter, {})
  expect(await done.text()).toContain('/sign-in?return_to=%2Fdevice')

  const cookie = await signIn(server, bob)
  const session = await server.deps.people.sessionOf(
    new Request('http://127.0.0.1:4000', { headers: { cookie } }),
  )
  expect(session).toMatchObject({
    person: { email: bob.email, name: 'Bob', emailVerified: true, role: 'user' },
    memberships: [{ tenant_id: 'acme', orgRole: 'member' }],
  })
})

test('nobody can give themselves a role, an organization or a confirmed address', async () => {
  const extra = {
    role: 'admin',
    emailVerified: 'true',
    tenant_id: 'globex',
    id: 'usr_me',
    claims: '{}',
  }
  await signUp({ ...bob, email: 'eve@acme.test', ...extra })
  const record = await server.deps.store.people.findByEmail('eve@acme.test')
  expect(record).toMatchObject({
    person: { role: 'user', emailVerified: false, claims: {} },
    memberships: [{ tenant_id: 'acme', orgRole: 'member' }],
  })
  expect(record?.person.sub).not.toBe('usr_me')
})

test('sign-up says the same for an address that has an account, and tells its owner', async () => {
  const first = await (await signUp({ ...bob, email: 'carol@acme.test' })).text()
  letters.length = 0
  const again = await signUp({ ...bob, email: 'carol@acme.test', password: 'quite another one' })
  expect(await again.text()).toBe(first)
  expect(letters).toMatchObject([{ to: 'carol@acme.test', subject: 'You have an account already' }])
})

test.each([
  ['a password that is too short', { password: 'short' }, 'too short'],
  ['a password that is too long', { password: 'x'.repeat(257) }, 'too long'],
  ['a stolen password', { password: stolen }, 'has been stolen'],
  ['what is no address', { email: 'nobody' }, 'not an e-mail address'],
])('sign-up refuses %s, and keeps what was typed', async (_, wrong, words) => {
  const answer = await signUp({ ...bob, email: 'dora@acme.test', ...wrong })
  const html = await answer.text()
  expect(answer.status).toBe(400)
  expect(html).toContain(words)
  expect(html).toContain('value="Bob"')
  expect(await server.deps.store.people.findByEmail('dora@acme.test')).toBeUndefined()
})

test('only the beginning of a hash leaves the house, and padding counts for nothing', async () => {
  asked.length = 0
  await signUp({ ...bob, email: 'pad@acme.test', password: 'padding only, no leak' })
  expect(asked).toEqual([expect.stringMatching(/^\/range\/[0-9A-F]{5}$/)])
  expect(await server.deps.store.people.findByEmail('pad@acme.test')).toBeDefined()
})

test('a list that cannot be asked lets passwords pass, and says so in the log', async () => {
  isAway = true
  await signUp({ ...bob, email: 'fay@acme.test', password: stolen })
  expect(await server.deps.store.people.findByEmail('fay@acme.test')).toBeDefined()
  expect(server.log.join('\n')).toContain('the list of breached passwords cannot be asked')
})

test('by configuration a list that cannot be asked refuses, and sign-up can be closed', async () => {
  isAway = true
  const breached_passwords = { url, when_unreachable: 'refuse' }
  const { database } = server
  const strict = await openTestServer({
    config: { ...baseConfig, people: people({ breached_passwords }) },
    database,
  })
  const refused = await signUp({ ...bob, email: 'gil@acme.test' }, strict)
  expect(refused.status).toBe(503)
  expect(await refused.text()).toContain('cannot check at the moment')

  const closed = await openTestServer({ config: baseConfig, database })
  expect((await closed.request('/sign-up')).status).toBe(403)
  const fields = { ...bob, email: 'hal@acme.test' }
  expect((await createBrowser(closed).fill('/sign-in', fields, '/sign-up')).status).toBe(403)
  expect(await server.deps.store.people.findByEmail('hal@acme.test')).toBeUndefined()
})

test('where addresses need not be confirmed one can sign in at once, and learns as little', async () => {
  const easy = await openTestServer({
    config: { ...baseConfig, people: people({ require_verified_email: false }) },
    database: server.database,
    mailer,
  })
  const lea = { ...bob, email: 'lea@acme.test' }
  const first = await (await signUp(lea, easy)).text()
  expect(await (await signUp({ ...lea, password: 'another one again' }, easy)).text()).toBe(first)
  expect(letters.map(({ subject }) => subject)).toEqual(['You have an account already'])
  await signIn(easy, lea)
})

test('a new password by letter: once, ends every session, and confirms the address', async () => {
  const ivy = { ...bob, email: 'ivy@acme.test' }
  await signUp(ivy)
  letters.length = 0
  await createBrowser(server).fill('/reset-password', { email: 'Ivy@acme.test' })
  expect(letters).toMatchObject([{ to: ivy.email, subject: 'Set a new password' }])
  const page = pathOf(letters[0])
  const changed = { ...ivy, password: 'other words entirely' }

  const browser = createBrowser(server)
  const weak = await browser.fill(page, { password: stolen })
  expect(weak.status).toBe(400)
  expect((await browser.fill(page, { password: changed.password })).status).toBe(200)
  const again = await browser.fill(page, { password: 'yet another password' })
  expect(again.status).toBe(400)
  expect(await again.text()).toContain('used already')

  expect((await createBrowser(server).fill('/sign-in', ivy)).status).toBe(401)
  const cookie = await signIn(server, changed)
  letters.length = 0
  await createBrowser(server).fill('/reset-password', { email: ivy.email })
  await createBrowser(server).fill(pathOf(letters[0]), { password: 'a third password now' })
  const request = new Request('http://127.0.0.1:4000', { headers: { cookie } })
  expect(await server.deps.people.sessionOf(request)).toBeUndefined()
})

test('of 16 at once with one letter, one sets the password', async () => {
  const jim = { ...bob, email: 'jim@acme.test' }
  await signUp(jim)
  letters.length = 0
  await createBrowser(server).fill('/reset-password', { email: jim.email })
  const page = pathOf(letters[0])
  const answers = await Promise.all(
    Array.from({ length: 16 }, (_, index) =>
      createBrowser(server).fill(page, { password: `password number ${index}` }),
    ),
  )
  expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
})

test('asking for a letter says the same for an address that has no account', async () => {
  const known = await createBrowser(server).fill('/reset-password', { email: bob.email })
  const unknown = await createBrowser(server).fill('/reset-password', { email: 'bab@acme.test' })
  const [one, other] = await Promise.all([known.text(), unknown.text()])
  expect(other.replaceAll('bab@', 'bob@')).toBe(one)
  expect(letters).toHaveLength(1)
})

test('a made-up letter opens nothing', async () => {
  const verify = await createBrowser(server).fill('/verify-email?token=abc', {})
  expect(verify.status).toBe(400)
  const before = asked.length
  const reset = await createBrowser(server).fill('/reset-password?token=abc', {
    password: 'some new password',
  })
  expect(reset.status).toBe(400)
  // Anybody can make one up: it must not cost us a question to the list, nor a hash.
  expect(asked).toHaveLength(before)
})

test('the database holds no token of a letter, and no password', async () => {
  await createBrowser(server).fill('/reset-password', { email: 'carol@acme.test' })
  const token = new URL(letters[0]?.link ?? '').searchParams.get('token') ?? ''
  const rows = await server.database.read('select * from verifications', [])
  expect(rows.length).toBeGreaterThan(0)
  expect(JSON.stringify(rows)).not.toContain(token)
  const accounts = await server.database.read('select password_hash from accounts', [])
  expect(accounts.every((row) => /^\$scrypt\$ln=/.test(String(row.password_hash)))).toBe(true)
})

test('guessing is bounded, over all servers of a database, and ends by itself', async () => {
  const kim = { ...bob, email: 'kim@acme.test' }
  await signUp(kim)
  const second = await openTestServer({
    config: { ...baseConfig, people: people() },
    database: server.database,
    clock: server.clock,
  })
  const wrong = { email: kim.email, password: 'not the password' }
  for (let time = 0; time < 10; time += 1) {
    const at = time % 2 === 0 ? server : second
    expect((await createBrowser(at).fill('/sign-in', wrong)).status).toBe(401)
  }
  const refused = await createBrowser(second).fill('/sign-in', kim)
  expect(refused.status).toBe(429)
  expect(Number(refused.headers.get('retry-after'))).toBe(900)
  expect(refused.headers.get('ratelimit-policy')).toMatch(/^"[a-z-]+";q=\d+;w=900$/)
  server.clock.advance(901)
  expect((await createBrowser(server).fill('/sign-in', wrong)).status).toBe(401)
})
