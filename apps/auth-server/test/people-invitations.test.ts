/** Invitations to organizations, and what people change about themselves. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createBrowser, type TestServer } from './harness.js'
import {
  type MembersServer,
  openMembersServer,
  organizationPage as page,
  password,
  pressOn,
  stolen,
} from './people-fixtures.js'

let all: MembersServer
let server: TestServer
beforeAll(async () => {
  all = await openMembersServer()
  server = all.server
})
afterAll(() => all.close())
beforeEach(() => all.calm())

const day = 86_400

/** @returns the path in the letter */
const invite = async (name: string, role = 'member', by = 'olga'): Promise<string> => {
  const olga = await all.enter(by)
  const fields = { email: `${name}@acme.test`, role }
  const answer = await all.press(olga, 'Send the invitation', fields)
  expect(answer.headers.get('location')).toBe(`${page}?notice=invited`)
  return all.letterPath()
}

describe('an invitation', () => {
  test('leads over sign-in back to the question, and makes a member of who says yes', async () => {
    await all.addPerson('nora')
    const link = await invite('Nora', 'admin', 'adam')
    expect(all.letters.at(-1)).toMatchObject({
      to: 'nora@acme.test',
      subject: 'You are invited to acme',
      text: expect.stringContaining('adam@acme.test invites you to acme'),
    })
    const browser = createBrowser(server)
    const first = await browser.get(link)
    const target = `/sign-in?${new URLSearchParams({ return_to: link })}`
    expect(first.headers.get('location')).toBe(target)
    const signedIn = await browser.fill(target, { email: 'nora@acme.test', password })
    expect(signedIn.headers.get('location')).toBe(link)
    const asked = await (await browser.get(link)).text()
    expect(asked).toContain('You are invited to acme, as: Administrator.')
    // Opening the link has joined nothing: programs that look into mail do that, too.
    expect(await all.roleOf('nora')).toBeUndefined()
    const done = await all.press(browser, 'Join', {}, link)
    expect(done.headers.get('location')).toBe(`${page}?notice=joined`)
    expect(await all.roleOf('nora')).toBe('admin')
    expect(await (await browser.get(`${page}?notice=joined`)).text()).toContain('You are a member')
  })

  test('works once, for 16 who come at once with it as well', async () => {
    await all.addPerson('otto')
    const link = await invite('otto')
    const otto = await all.enter('otto')
    const page = await (await otto.get(link)).text()
    const answers = await Promise.all(
      Array.from({ length: 16 }, () => pressOn(otto, page, 'Join', {})),
    )
    expect(answers.filter(({ status }) => status === 303)).toHaveLength(1)
    await all.press(await all.enter('olga'), 'Remove otto')
    const again = await all.enter('otto').then((one) => one.get(link))
    expect(again.status).toBe(400)
    expect(await again.text()).toContain('has been used or withdrawn')
    expect(await all.roleOf('otto')).toBeUndefined()
  })

  const send = async (name: string, link: string): Promise<number> => {
    const browser = await all.enter(name)
    const token = new URLSearchParams(link.split('?')[1]).get('token') ?? ''
    const form = { csrf: await all.csrfOf(browser), token }
    return (await browser.post('/account/invitation', form)).status
  }

  test('is for the invited address, and for nobody else who has the link', async () => {
    await all.addPerson('paul')
    const link = await invite('paula')
    const page = await (await all.enter('paul')).get(link)
    expect(page.status).toBe(403)
    const html = await page.text()
    expect(html).toContain('another e-mail address')
    expect(html).not.toContain('paula')
    expect(html).not.toContain('acme, as')
    expect(await send('paul', link)).toBe(403)
    expect(await all.roleOf('paul')).toBeUndefined()
  })

  test('is for a confirmed address only', async () => {
    await all.addPerson('quinn')
    const link = await invite('quinn')
    const browser = await all.enter('quinn')
    const confirmed = (is: boolean) =>
      server.database.write('update users set email_verified = $1 where email = $2', [
        is,
        'quinn@acme.test',
      ])
    const csrf = await all.csrfOf(browser)
    await confirmed(false)
    const token = new URLSearchParams(link.split('?')[1]).get('token') ?? ''
    expect((await browser.post('/account/invitation', { csrf, token })).status).toBe(403)
    expect(await all.roleOf('quinn')).toBeUndefined()
    await confirmed(true)
    expect(await send('quinn', link)).toBe(303)
  })

  test('ends after seven days', async () => {
    await all.addPerson('rosa')
    const link = await invite('rosa')
    server.clock.advance(7 * day)
    expect(await send('rosa', link)).toBe(400)
    expect(await (await (await all.enter('olga')).get(page)).text()).not.toContain('rosa@')
    await server.deps.store.invitations.forget(server.clock.now())
    const rows = await server.database.read(
      `select 1 from invitations where email like 'rosa%'`,
      [],
    )
    expect(rows).toEqual([])
    expect(await send('rosa', await invite('rosa'))).toBe(303)
  })

  test('that is withdrawn, or sent anew, is dead in its old letter', async () => {
    await all.addPerson('saul')
    const olga = await all.enter('olga')
    const first = await invite('saul')
    expect((await all.press(olga, 'Send saul@acme.test a new link')).status).toBe(303)
    const second = all.letterPath()
    expect(second).not.toBe(first)
    expect(await send('saul', first)).toBe(400)
    const withdraw = 'Withdraw the invitation of saul@acme.test'
    const stale = await all.enter('adam')
    const id = /name="id" value="([^"]+)"/.exec(await (await stale.get(page)).text())?.[1] ?? ''
    expect((await all.press(olga, withdraw)).status).toBe(303)
    expect(await all.forge(stale, 'invitations', { do: 'cancel', id })).toBe(404)
    expect(await send('saul', second)).toBe(400)
    expect(await all.roleOf('saul')).toBeUndefined()
  })

  test('of another organization is withdrawn by nobody here', async () => {
    await invite('tess')
    const html = await (await (await all.enter('olga')).get(page)).text()
    const id = /name="id" value="([^"]+)"/.exec(html)?.[1] ?? ''
    const gina = await all.enter('gina')
    const own = { do: 'cancel', id, tenant_id: 'globex' }
    expect(await all.forge(gina, 'invitations', own)).toBe(404)
    expect(await all.forge(gina, 'invitations', { do: 'cancel', id })).toBe(403)
    expect(await all.forge(await all.enter('mia'), 'invitations', { do: 'cancel', id })).toBe(403)
    expect(await (await (await all.enter('olga')).get(page)).text()).toContain('tess@acme.test')
  })

  test.each([
    ['is removed', 'Remove abel'],
    ['may invite no more', 'Make abel a member'],
  ])('ends when who sent it %s', async (_, button) => {
    await all.joinAs((await all.find('abel')).sub, 'acme')
    const olga = await all.enter('olga')
    if ((await all.roleOf('abel')) === 'member') await all.press(olga, 'Make abel an administrator')
    await all.addPerson('una')
    const link = await invite('una', 'admin', 'abel')
    expect((await all.press(olga, button)).status).toBe(303)
    expect(await send('una', link)).toBe(400)
    expect(await (await olga.get(page)).text()).not.toContain('una@acme.test')
  })

  test('does not bring back who was removed while it waited', async () => {
    await all.addPerson('vera')
    const link = await invite('vera')
    await all.joinAs((await all.find('vera')).sub, 'acme')
    await all.press(await all.enter('olga'), 'Remove vera')
    expect(await send('vera', link)).toBe(400)
  })

  test('makes nobody an owner, and asks no member', async () => {
    const olga = await all.enter('olga')
    const to = { email: 'x@acme.test', do: 'invite' }
    expect(await all.forge(olga, 'invitations', { ...to, role: 'owner' })).toBe(403)
    expect(await all.forge(olga, 'invitations', { ...to, role: '' })).toBe(403)
    const member = { ...to, email: 'mia@acme.test', role: 'admin' }
    expect(await all.forge(olga, 'invitations', member)).toBe(409)
    const none = { ...to, email: 'nobody', role: 'member' }
    expect(await all.forge(olga, 'invitations', none)).toBe(400)
    expect(all.letters).toEqual([])
  })

  test('says the same whether or not the address has an account', async () => {
    const olga = await all.enter('olga')
    const answers = await Promise.all(
      ['gina', 'nobody-at-all'].map(async (name) => {
        const fields = { email: `${name}@acme.test`, role: 'member' }
        const answer = await all.press(olga, 'Send the invitation', fields)
        return [answer.status, answer.headers.get('location')]
      }),
    )
    expect(answers[0]).toEqual(answers[1])
    expect(all.letters.map(({ subject }) => subject)).toEqual(
      Array(2).fill(all.letters[0]?.subject),
    )
  })

  test('is counted: for an address, for a day, and those that wait', async () => {
    const olga = await all.enter('olga')
    const sendTo = (email: string) =>
      all.press(olga, 'Send the invitation', { email, role: 'member' })
    for (let time = 0; time < 5; time += 1) expect((await sendTo('w@acme.test')).status).toBe(303)
    const refused = await sendTo('w@acme.test')
    expect(refused.status).toBe(429)
    expect(Number(refused.headers.get('retry-after'))).toBe(day)
    expect(all.letters).toHaveLength(5)
    await all.calm()
    await server.database.write('delete from invitations', [])
    await server.database.write(
      `insert into invitations (id, tenant_id, email, role, status, token_hash, expires_at, inviter_id)
       select 'inv_' || n, 'acme', n || '@wait.test', 'member', 'pending', 'hash ' || n,
         $1::text::timestamptz + interval '1 day', $2 from generate_series(1, 100) n`,
      [server.clock.now().toISOString(), (await all.find('olga')).sub],
    )
    expect((await sendTo('y@acme.test')).status).toBe(429)
    expect((await sendTo('7@wait.test')).status).toBe(303)
    await server.database.write(`delete from invitations where email like '%@wait.test'`, [])
    const one = { windowSeconds: day, now: server.clock.now() }
    for (let time = 0; time < 100; time += 1) {
      await server.deps.store.attempts.count({ name: 'invitation:tenant:acme', ...one })
    }
    expect((await sendTo('z@acme.test')).status).toBe(429)
  })

  test('stands in the database as a hash of its link', async () => {
    const link = await invite('xena')
    const token = new URLSearchParams(link.split('?')[1]).get('token') ?? ''
    expect(token).toMatch(/^il_[\w-]{43}$/)
    const rows = await server.database.read('select * from invitations', [])
    expect(rows.length).toBeGreaterThan(0)
    expect(JSON.stringify(rows)).not.toContain(token.slice(3))
    expect(server.log.join('\n')).not.toContain(token.slice(3))
  })

  test('to an organization that is switched off counts for nothing', async () => {
    await all.addPerson('yves')
    const link = await invite('yves')
    const off = (is: boolean) =>
      server.database.write(`update tenants set disabled = $1 where tenant_id = 'acme'`, [is])
    await off(true)
    expect(await send('yves', link)).toBe(400)
    const olga = await all.enter('olga')
    const invited = { email: 'x@acme.test', role: 'member', do: 'invite' }
    expect(await all.forge(olga, 'invitations', invited)).toBe(403)
    await off(false)
    expect(await send('yves', link)).toBe(303)
  })
})

describe('what people change about themselves', () => {
  const security = '/account/security'
  const isSignedIn = async (cookie: string): Promise<boolean> => {
    const request = new Request('http://127.0.0.1:4000', { headers: { cookie } })
    return (await server.deps.people.sessionOf(request)) !== undefined
  }

  test('their name, which is the one that the others see', async () => {
    const max = await all.enter('max')
    const saved = await all.press(max, 'Save the name', { name: '  Max <b>Power</b>  ' }, security)
    expect(saved.headers.get('location')).toBe(`${security}?notice=saved`)
    const html = await (await (await all.enter('olga')).get(page)).text()
    expect(html).toContain('Max &lt;b&gt;Power&lt;/b&gt;')
    expect((await all.press(max, 'Save the name', { name: '   ' }, security)).status).toBe(400)
    const long = 'n'.repeat(300)
    expect((await all.press(max, 'Save the name', { name: long }, security)).status).toBe(303)
    const [row] = await server.database.read(`select name from users where email like 'max@%'`, [])
    expect(row?.name).toBe('n'.repeat(200))
  })

  const save = 'Save the new password'
  const next = 'eight loud rivers'

  test('their password, which ends all other sessions and keeps the organization', async () => {
    await all.joinAs((await all.find('gina')).sub, 'acme')
    const elsewhere = await all.enter('gina')
    const gina = await all.enter('gina')
    await gina.fill(page, { tenant_id: 'globex' })
    const copied = gina.cookie()
    const answer = await all.press(gina, save, { current: password, next }, security)
    expect(answer.headers.get('location')).toBe(`${security}?notice=saved`)
    expect(await isSignedIn(elsewhere.cookie())).toBe(false)
    expect(await isSignedIn(copied)).toBe(false)
    const session = await server.deps.people.sessionOf(
      new Request('http://127.0.0.1:4000', { headers: { cookie: gina.cookie() } }),
    )
    expect(session).toMatchObject({
      person: { email: 'gina@acme.test' },
      activeTenantId: 'globex',
      authenticatedAt: server.clock.now(),
    })
    await expect(all.enter('gina')).rejects.toThrow('401')
    await all.enter('gina', next)
  })

  test.each([
    ['without the current one', { current: 'not the password', next }, 401],
    ['with one that is far too long', { current: 'x'.repeat(1000), next }, 401],
    ['to one that is too short', { current: password, next: 'short' }, 400],
    ['to one that is too long', { current: password, next: 'x'.repeat(257) }, 400],
    ['to a stolen one', { current: password, next: stolen }, 400],
    ['to none', { current: password }, 400],
  ])('a password is not changed %s', async (_, fields, status) => {
    const mia = await all.enter('mia')
    expect((await all.press(mia, save, fields, security)).status).toBe(status)
    expect(await isSignedIn(mia.cookie())).toBe(true)
    await all.enter('mia')
  })

  test('who sits at an open browser does not guess the password there', async () => {
    const mia = await all.enter('mia')
    const statuses: number[] = []
    for (let time = 0; time < 11; time += 1) {
      const guess = { current: `guess number ${time}`, next }
      statuses.push((await all.press(mia, save, guess, security)).status)
    }
    expect(statuses).toEqual([...Array(10).fill(401), 429])
    expect((await all.press(mia, save, { current: password, next }, security)).status).toBe(429)
  })
})
