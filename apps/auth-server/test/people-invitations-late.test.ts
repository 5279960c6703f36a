/** What has changed since an invitation was sent, or since a page was shown: asked where it counts. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Browser, TestServer } from './harness.js'
import {
  type MembersServer,
  openMembersServer,
  organizationPage as page,
} from './people-fixtures.js'

let all: MembersServer
let server: TestServer
beforeAll(async () => {
  all = await openMembersServer()
  server = all.server
})
afterAll(() => all.close())
beforeEach(() => all.calm())

const write = (text: string, params: unknown[] = []) => server.database.write(text, params)

/** @returns the path in the letter */
const invite = async (name: string, by = 'olga'): Promise<string> => {
  const fields = { email: `${name}@acme.test`, role: 'member' }
  const answer = await all.press(await all.enter(by), 'Send the invitation', fields)
  expect(answer.status).toBe(303)
  return all.letterPath()
}

const tokenIn = (link: string): string => new URLSearchParams(link.split('?')[1]).get('token') ?? ''

const send = async (browser: Browser, link: string): Promise<number> => {
  const form = { csrf: await all.csrfOf(browser), token: tokenIn(link) }
  return (await browser.post('/account/invitation', form)).status
}

const idOf = async (name: string): Promise<string> => {
  const text = `select id from invitations where email = $1 and status = 'pending'`
  const [row] = await server.database.read(text, [`${name}@acme.test`])
  return String(row?.id)
}

describe('an invitation counts for nothing once its sender', () => {
  let invited = 0
  const role = (now: string) => `update members set role = '${now}'
    where tenant_id = 'acme' and user_id = (select id from users where email = 'abel@acme.test')`
  const off = (is: boolean) => `update users set disabled = ${is} where email = 'abel@acme.test'`

  test.each([
    ['is a member like others, past the server as well', role('member'), role('admin')],
    ['is switched off', off(true), off(false)],
    [
      'is in another organization alone',
      `update members set tenant_id = 'globex', role = 'owner'
       where user_id = (select id from users where email = 'abel@acme.test')`,
      `update members set tenant_id = 'acme', role = 'admin'
       where user_id = (select id from users where email = 'abel@acme.test')`,
    ],
  ])('%s', async (_, change, undo) => {
    invited += 1
    const name = `una-${invited}`
    await all.addPerson(name)
    const link = await invite(name, 'abel')
    const browser = await all.enter(name)
    await write(change)
    expect((await browser.get(link)).status).toBe(400)
    expect(await send(browser, link)).toBe(400)
    expect(await all.roleOf(name)).toBeUndefined()
    await write(undo)
    expect(await send(browser, link)).toBe(303)
  })
})

test('who has become a member on another way keeps their role, and the link is used up', async () => {
  await all.addPerson('vito')
  const link = await invite('vito')
  const browser = await all.enter('vito')
  await all.joinAs((await all.find('vito')).sub, 'acme', 'owner')
  expect(await send(browser, link)).toBe(303)
  expect(await all.roleOf('vito')).toBe('owner')
  expect(await send(browser, link)).toBe(400)
  await write(`delete from users where email = 'vito@acme.test'`)
})

test('who is switched off between the question and the answer does not join', async () => {
  await all.addPerson('wim')
  const link = await invite('wim')
  const session = await all.find('wim')
  const found = await server.deps.store.people.find(session.sub)
  if (!found) throw new Error('nobody')
  await write(`update users set disabled = true where id = $1`, [session.sub])
  const answer = server.deps.signIn.organizations.accept(tokenIn(link), found.person)
  await expect(answer).rejects.toMatchObject({ reason: 'invitation_over' })
  expect(await all.roleOf('wim')).toBeUndefined()
})

/** A session as it was read before somebody else took the rights away. */
const staleSession = async (name: string) => {
  const browser = await all.enter(name)
  const request = new Request('http://127.0.0.1:4000', { headers: { cookie: browser.cookie() } })
  const session = await server.deps.people.sessionOf(request)
  if (!session) throw new Error('no session')
  return session
}

test('who may invite no more neither sends nor withdraws, with a page from before either', async () => {
  const { organizations } = server.deps.signIn
  const abel = await staleSession('abel')
  await invite('xander')
  await all.press(await all.enter('olga'), 'Make abel a member')
  await all.calm()
  const asked = { tenantId: 'acme', email: 'yuri@acme.test', role: 'member' }
  await expect(organizations.invite(abel, asked)).rejects.toMatchObject({
    reason: 'organization_rights',
  })
  expect(all.letters).toEqual([])
  const withdrawn = organizations.cancel(abel, { tenantId: 'acme', id: await idOf('xander') })
  await expect(withdrawn).rejects.toMatchObject({ reason: 'invitation_gone' })
  const html = await (await (await all.enter('olga')).get(page)).text()
  expect(html).toContain('xander@acme.test')
  expect(html).not.toContain('yuri@acme.test')
  await all.press(await all.enter('olga'), 'Make abel an administrator')
})

test('who manages two organizations withdraws in the one that the form is about', async () => {
  await all.joinAs((await all.find('olga')).sub, 'globex', 'owner')
  await invite('zoe', 'adam')
  const olga = await all.enter('olga')
  const id = await idOf('zoe')
  expect(await all.forge(olga, 'invitations', { do: 'cancel', id, tenant_id: 'globex' })).toBe(404)
  expect(await idOf('zoe')).toBe(id)
  expect(await all.forge(olga, 'invitations', { do: 'cancel', id })).toBe(303)
  await write(
    `delete from members where tenant_id = 'globex' and user_id = (select id from users where email = 'olga@acme.test')`,
  )
})

test('only those that wait are counted against the bound: none that is answered, and none too old', async () => {
  const { sub } = await all.find('olga')
  const now = server.clock.now()
  const day = 86_400_000
  const fill = (name: string, status: string, expiresAt: number) =>
    write(
      `insert into invitations (id, tenant_id, email, role, status, token_hash, expires_at, inviter_id)
       select 'inv_' || $1 || n, 'acme', n || '@' || $1 || '.test', 'member', $2, $1 || n,
         $3::text::timestamptz, $4 from generate_series(1, 100) n`,
      [name, status, new Date(now.getTime() + expiresAt).toISOString(), sub],
    )
  await fill('answered', 'accepted', day)
  await fill('old', 'pending', -day)
  await invite('bert')
  await fill('waiting', 'pending', day)
  const olga = await all.enter('olga')
  const one = { email: 'cora@acme.test', role: 'member', do: 'invite' }
  expect(await all.forge(olga, 'invitations', one)).toBe(429)
  await write(`delete from invitations where email like '%.test' and email not like '%@acme.test'`)
})

test('an address is written to ten times in a day at most, whatever organizations write', async () => {
  const one = { windowSeconds: 86_400, now: server.clock.now() }
  const name = 'invitation:email:dora@acme.test'
  for (let time = 0; time < 9; time += 1) await server.deps.store.attempts.count({ name, ...one })
  const fields = { email: 'dora@acme.test', role: 'member', do: 'invite' }
  expect(await all.forge(await all.enter('olga'), 'invitations', fields)).toBe(303)
  const gina = { ...fields, tenant_id: 'globex' }
  expect(await all.forge(await all.enter('gina'), 'invitations', gina)).toBe(429)
  expect(all.letters).toHaveLength(1)
})

test('nobody is made a member by a form that their own page has not shown', async () => {
  await all.addPerson('emil')
  const link = await invite('emil')
  const emil = await all.enter('emil')
  const token = tokenIn(link)
  const foreign = await all.csrfOf(await all.enter('emil'))
  for (const csrf of ['', 'made up', foreign]) {
    expect((await emil.post('/account/invitation', { csrf, token })).status).toBe(403)
  }
  const elsewhere = { Origin: 'https://evil.example' }
  const own = { csrf: await all.csrfOf(emil), token }
  expect((await emil.post('/account/invitation', own, elsewhere)).status).toBe(403)
  expect(await all.roleOf('emil')).toBeUndefined()
  expect(await send(emil, link)).toBe(303)
})
