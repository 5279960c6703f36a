/** Organizations of people, and people of the configuration. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parseConfig } from '../src/config.js'
import type { Passwords } from '../src/people/passwords.js'
import { createPasswords } from '../src/people/passwords.js'
import { applyConfig } from '../src/store/apply-config.js'
import {
  baseConfig,
  createBrowser,
  openTestServer,
  quickPasswords,
  signIn,
  type TestServer,
} from './harness.js'

const ann = { email: 'ann@acme.test', password: 'nine loud planets', name: 'Ann', role: 'admin' }

const tenants = [
  { tenant_id: 'acme', name: 'Acme', claims: { 'https://acme.test/plan': 'gold' } },
  { tenant_id: 'globex', name: 'Globex' },
  { tenant_id: 'closed', name: 'Closed', disabled: true },
]

const config = {
  ...baseConfig,
  tenants,
  users: [{ ...ann, tenant_id: 'acme', org_role: 'owner', claims: { team: 'blue' } }],
}

let server: TestServer
beforeAll(async () => {
  server = await openTestServer({ config })
})
afterAll(() => server.close())

const sessionOf = (cookie: string) =>
  server.deps.people.sessionOf(new Request('http://127.0.0.1:4000', { headers: { cookie } }))

const find = () => server.deps.store.people.findByEmail(ann.email)

/** As a start does it, counting the hashes. */
const start = async (users: object[]): Promise<number> => {
  let hashes = 0
  const passwords: Passwords = createPasswords(quickPasswords)
  await applyConfig(server.database, parseConfig(JSON.stringify({ ...config, users }), {}), {
    hashSecret: String,
    hashPassword: (password) => {
      hashes += 1
      return passwords.hash(password)
    },
    newId: () => server.deps.newId('dlg'),
    newPersonId: server.deps.newId,
    now: server.clock.now(),
  })
  return hashes
}

test('people of the configuration are made once, and hashed once', async () => {
  const before = await find()
  expect(before).toMatchObject({
    person: { emailVerified: true, name: 'Ann', role: 'admin', claims: { team: 'blue' } },
    memberships: [
      {
        tenant_id: 'acme',
        name: 'Acme',
        orgRole: 'owner',
        claims: { 'https://acme.test/plan': 'gold' },
      },
    ],
  })
  const changed = [{ ...config.users[0], password: 'another password', name: 'Somebody' }]
  expect(await start(changed)).toBe(0)
  expect(await find()).toEqual(before)
  await signIn(server, ann)
  const joined = [...changed, { email: 'new@acme.test', password: 'a new password' }]
  const hashes = await Promise.all([start(joined), start(joined)])
  expect(Math.max(...hashes)).toBe(1)
  const rows = await server.database.read(`select 1 from users where email = 'new@acme.test'`, [])
  expect(rows).toHaveLength(1)
  const same = await server.database.read(
    `select count(*)::int as n from accounts a join users u on u.id = a.user_id
     where u.email = 'new@acme.test'`,
    [],
  )
  expect(same).toEqual([{ n: 1 }])
})

test('role and claims follow the file, but never to an address that nobody has confirmed', async () => {
  await start([{ ...ann, role: 'user', claims: { team: 'red' } }])
  expect((await find())?.person).toMatchObject({ role: 'user', claims: { team: 'red' } })
  await server.database.write(`update users set email_verified = false where email = $1`, [
    ann.email,
  ])
  await start([{ ...ann, role: 'admin', claims: { team: 'gold' } }])
  expect((await find())?.person).toMatchObject({ role: 'user', claims: { team: 'red' } })
  await server.database.write(`update users set email_verified = true where email = $1`, [
    ann.email,
  ])
  await start([ann])
  expect((await find())?.person.role).toBe('admin')
})

test('an organization and a tenant are one row', async () => {
  const rows = await server.database.read('select tenant_id, slug from tenants order by 1', [])
  expect(rows.filter(({ tenant_id, slug }) => tenant_id !== slug)).toEqual([])
})

test('a person in several organizations chooses one, which the session keeps', async () => {
  const { person } = (await find()) ?? {}
  const join = (organizationId: string, role: 'admin' | 'member') =>
    server.deps.store.people.join({
      id: server.deps.newId('mbr'),
      userId: person?.sub ?? '',
      organizationId,
      role,
    })
  await join('globex', 'admin')
  await join('closed', 'member')
  // Said again with less, it is still what it was.
  await join('globex', 'member')
  const browser = createBrowser(server)
  await browser.fill('/sign-in', ann)
  expect((await sessionOf(browser.cookie()))?.activeTenantId).toBeUndefined()
  const html = await (await browser.get('/account/organization')).text()
  expect(html).toContain('Globex')
  expect(html).toContain('Administrator')
  expect(html).not.toContain('Closed')

  const page = '/account/organization?return_to=/authorize?client_id=a'
  const answer = await browser.fill(page, { tenant_id: 'globex' })
  expect(answer.headers.get('location')).toBe('/authorize?client_id=a')
  const session = await sessionOf(browser.cookie())
  expect(session?.activeTenantId).toBe('globex')
  expect(session?.memberships.map(({ tenant_id, orgRole }) => [tenant_id, orgRole])).toEqual([
    ['acme', 'owner'],
    ['closed', 'member'],
    ['globex', 'admin'],
  ])
})

test('nobody chooses an organization that is not theirs, or that is switched off', async () => {
  const browser = createBrowser(server)
  await browser.fill('/sign-in', { email: 'new@acme.test', password: 'a new password' })
  expect(await (await browser.get('/account/organization')).text()).toContain('in no organization')
  const html = await (await browser.get('/account/security')).text()
  const csrf = /name="csrf" value="([^"]+)"/.exec(html)?.[1] ?? ''
  for (const tenant_id of ['acme', 'nowhere', '']) {
    const answer = await browser.post('/account/organization', { csrf, tenant_id })
    expect(answer.status).toBe(403)
  }
  const owner = createBrowser(server)
  await owner.fill('/sign-in', ann)
  const closed = await owner.fill('/account/organization', { tenant_id: 'closed' })
  expect(closed.status).toBe(403)
})

test('an organization that was chosen and is switched off later counts as none', async () => {
  const browser = createBrowser(server)
  await browser.fill('/sign-in', ann)
  await browser.fill('/account/organization', { tenant_id: 'globex' })
  const off = tenants.map((one) => (one.tenant_id === 'globex' ? { ...one, disabled: true } : one))
  await server.applyConfig({ ...config, tenants: off })
  expect((await sessionOf(browser.cookie()))?.activeTenantId).toBeUndefined()
})

test('a page for who is signed in sends the others to sign in, and back', async () => {
  const answer = await server.request('/account/security')
  expect(answer.status).toBe(303)
  expect(answer.headers.get('location')).toBe('/sign-in?return_to=%2Faccount%2Fsecurity')
})

test('over https the cookies are bound to the host', async () => {
  const https = 'https://as.example/auth'
  const secure = await openTestServer({ config, issuer: https, database: server.database })
  const browser = createBrowser(secure, https)
  const page = await browser.get('/sign-in')
  const csrf = /name="csrf" value="([^"]+)"/.exec(await page.text())?.[1] ?? ''
  const answer = await browser.post('/sign-in', { ...ann, csrf })
  expect(answer.headers.get('location')).toBe('/auth/account')
  const lines = [...page.headers.getSetCookie(), ...answer.headers.getSetCookie()].filter(
    (line) => !/^[^=]*=;/.test(line),
  )
  expect(lines.length).toBeGreaterThanOrEqual(2)
  for (const line of lines) {
    expect(line).toMatch(/^__Host-behalf\./)
    expect(line).toMatch(/; Path=\/(;|$)/)
    expect(line).toMatch(/; Secure(;|$)/)
    expect(line).toMatch(/; HttpOnly(;|$)/)
    expect(line).not.toMatch(/Domain=/i)
  }
})
