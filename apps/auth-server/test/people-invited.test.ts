/** Accounts by invitation, where sign-up is not open: the default, with nothing said about it. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { fieldsOf } from './browser.js'
import { type Browser, createBrowser, issuer, openTestServer, type TestServer } from './harness.js'
import { type MembersServer, openMembersServer, password, stolen } from './people-fixtures.js'

let all: MembersServer
let server: TestServer
beforeAll(async () => {
  all = await openMembersServer({ default_tenant_id: 'globex' })
  server = all.server
})
afterAll(() => all.close())
beforeEach(() => all.calm())

/** @returns the path in the letter */
const invite = async (name: string): Promise<string> => {
  const fields = { email: `${name}@acme.test`, role: 'member' }
  await all.press(await all.enter('olga'), 'Send the invitation', fields)
  return all.letterPath()
}

const signUpPath = (link: string): string => `/sign-up?${new URLSearchParams({ return_to: link })}`
const signInPath = (link: string): string => `/sign-in?${new URLSearchParams({ return_to: link })}`
const locationOf = ({ headers }: Response): string | null => headers.get('location')

/** What a form that was open all the while sends. */
const send = async (browser: Browser, link: string, fields: Record<string, string> = {}) => {
  const { csrf = '' } = fieldsOf(await (await browser.get('/sign-in')).text())
  const form = { csrf, return_to: link, name: 'N', email: '', password, ...fields }
  return browser.post('/sign-up', form)
}

const accountOf = async (name: string) => {
  const found = await server.deps.store.people.findByEmail(`${name}@acme.test`)
  return found && { ...found.person, memberships: found.memberships }
}

describe('whoever is invited and has no account', () => {
  test('makes one on the way, with no letter but the one that they have', async () => {
    const link = await invite('nora')
    const browser = createBrowser(server)
    const away = locationOf(await browser.get(link)) ?? ''
    expect(away).toBe(signUpPath(link))
    const form = await (await browser.get(away)).text()
    expect(form).toContain('You are invited.')
    expect(form).toMatch(/<input[^>]*name="email"[^>]*value="nora@acme\.test"[^>]*readonly/)
    const made = await browser.fill(away, { name: ' Nora ', password })
    expect(locationOf(made)).toBe(link)
    expect(all.letters).toHaveLength(1)
    // Not a member of what everybody is a member of who signs up without being asked.
    const nora = { emailVerified: true, name: 'Nora', role: 'user', memberships: [] }
    expect(await accountOf('nora')).toMatchObject(nora)
    expect(await (await browser.get(link)).text()).toContain('You are invited to acme')
    expect((await all.press(browser, 'Join', {}, link)).status).toBe(303)
    expect(await all.roleOf('nora')).toBe('member')
    await all.enter('nora')
  })

  test('gets it for the address of the letter, whatever the form says', async () => {
    const link = await invite('otto')
    const made = await send(createBrowser(server), link, { email: 'root@acme.test' })
    expect(locationOf(made)).toBe(link)
    expect(await accountOf('root')).toBeUndefined()
    expect(await accountOf('otto')).toMatchObject({ emailVerified: true })
  })

  test('is shown the way to it at sign-in, where others are not', async () => {
    const link = await invite('paul')
    const known = await invite('max-of-globex')
    await send(createBrowser(server), known)
    const offers = async (path: string) => (await server.request(path)).text()
    expect(await offers(signInPath(link))).toContain('/sign-up?')
    expect(await offers(signInPath(known))).not.toContain('/sign-up?')
    expect(await offers('/sign-in')).not.toContain('/sign-up?')
  })

  test('makes one of them, for four who come at once with one link', async () => {
    const link = await invite('quinn')
    const browser = createBrowser(server)
    const { csrf = '' } = fieldsOf(await (await browser.get('/sign-in')).text())
    await server.database.write('delete from attempts', [])
    const form = { csrf, return_to: link, name: 'N', password }
    const answers = await Promise.all(
      Array.from({ length: 4 }, () => browser.post('/sign-up', form)),
    )
    expect(answers.map(({ status }) => status).sort()).toEqual([303, 409, 409, 409])
    const rows = await server.database.read(
      `select 1 from accounts a join users u on u.id = a.user_id where u.email like 'quinn@%'`,
      [],
    )
    expect(rows).toHaveLength(1)
  })

  test.each([
    ['too short', 'short', 400],
    ['too long', 'x'.repeat(257), 400],
    ['stolen', stolen, 400],
  ])('cannot take a password that is %s', async (_, chosen, status) => {
    const link = await invite('rosa')
    const answer = await send(createBrowser(server), link, { password: chosen })
    expect(answer.status).toBe(status)
    expect(await answer.text()).toContain('You are invited.')
    expect(await accountOf('rosa')).toBeUndefined()
  })

  test('may try as often as anybody', async () => {
    const link = await invite('saul')
    const browser = createBrowser(server)
    for (let time = 0; time < 5; time += 1) {
      expect((await send(browser, link, { password: 'short' })).status).toBe(400)
    }
    expect((await send(browser, link)).status).toBe(429)
    expect(await accountOf('saul')).toBeUndefined()
  })

  test('takes the place of whoever sat at the browser before', async () => {
    const link = await invite('xaver')
    const browser = createBrowser(server)
    const { csrf = '' } = fieldsOf(await (await browser.get(signUpPath(link))).text())
    await browser.fill('/sign-in', { email: 'olga@acme.test', password })
    const request = new Request(issuer, { headers: { cookie: browser.cookie() } })
    expect(await server.deps.people.sessionOf(request)).toBeDefined()
    const form = { csrf, return_to: link, name: 'Xaver', password }
    expect((await browser.post('/sign-up', form)).status).toBe(303)
    expect(await server.deps.people.sessionOf(request)).toBeUndefined()
    expect(await (await browser.get(link)).text()).toContain('xaver@acme.test')
  })

  test('is asked for the form of this browser, as everywhere', async () => {
    const link = await invite('tess')
    const form = { csrf: 'made up', return_to: link, name: 'N', password }
    expect((await createBrowser(server).post('/sign-up', form)).status).toBe(403)
    expect(await accountOf('tess')).toBeUndefined()
  })
})

describe('no account comes from', () => {
  const strangers: [string, (link: string) => Promise<string>][] = [
    ['a link that nobody has sent', async () => '/account/invitation?token=il_made-up'],
    [
      'a link that was withdrawn',
      async (link) => {
        const olga = await all.enter('olga')
        await all.press(olga, 'Withdraw the invitation of una@acme.test')
        return link
      },
    ],
    [
      'a link of which there is a newer one',
      async (link) => {
        await all.press(await all.enter('olga'), 'Send una@acme.test a new link')
        return link
      },
    ],
    [
      'a link that is too old',
      async (link) => {
        server.clock.advance(7 * 86_400)
        return link
      },
    ],
    [
      'a link to an organization that is switched off',
      async (link) => {
        await server.database.write(
          `update tenants set disabled = true where tenant_id = 'acme'`,
          [],
        )
        return link
      },
    ],
  ]

  test.each(strangers)('%s', async (_, spoil) => {
    const link = await spoil(await invite('una'))
    const browser = createBrowser(server)
    try {
      expect(locationOf(await browser.get(link))).toBe(signInPath(link))
      const form = await browser.get(signUpPath(link))
      expect(form.status).toBe(400)
      expect(await form.text()).toContain('has been used or withdrawn')
      expect((await send(browser, link, { email: 'una@acme.test' })).status).toBe(400)
      expect(await accountOf('una')).toBeUndefined()
    } finally {
      await server.database.write('update tenants set disabled = false', [])
    }
  })

  test('a link that is withdrawn while the password is being looked at', async () => {
    const link = await invite('una')
    const token = new URLSearchParams(link.split('?')[1]).get('token') ?? ''
    await all.press(await all.enter('olga'), 'Withdraw the invitation of una@acme.test')
    const made = server.deps.signIn.invitedSignUp.signUp(token, { name: 'Una', password })
    await expect(made).rejects.toMatchObject({ reason: 'invitation_over' })
    expect(await accountOf('una')).toBeUndefined()
  })

  test('no link at all', async () => {
    const browser = createBrowser(server)
    const form = await browser.get('/sign-up')
    expect(form.status).toBe(403)
    expect(await form.text()).toContain('for who is invited')
    for (const path of ['/account', '/device', '/account/invitations?token=x', '//x/']) {
      expect((await send(browser, path, { email: 'x@acme.test' })).status).toBe(403)
    }
    expect(await accountOf('x')).toBeUndefined()
    expect(all.letters).toEqual([])
  })
})

describe('an account that is there already', () => {
  test("is left alone: whoever made it with a stranger's address gets nothing confirmed", async () => {
    const link = await invite('vera')
    const early = createBrowser(server)
    await early.get(signUpPath(link))
    await server.database.write(
      `insert into users (id, email, name) values ('usr_early', 'vera@acme.test', 'Early')`,
      [],
    )
    expect(locationOf(await createBrowser(server).get(link))).toBe(signInPath(link))
    expect(locationOf(await early.get(signUpPath(link)))).toBe(signInPath(link))
    const answer = await send(early, link)
    expect(answer.status).toBe(409)
    expect(await answer.text()).toContain('There is an account with this address already')
    expect(await accountOf('vera')).toMatchObject({ emailVerified: false, name: 'Early' })
    const rows = await server.database.read(
      `select 1 from accounts where user_id = 'usr_early'`,
      [],
    )
    expect(rows).toEqual([])
  })
})

test.each([
  ['closed', 403],
  ['open', 303],
])('where sign-up is %s an invited person is answered %i', async (mode, status) => {
  const link = await invite(`will-${mode}`)
  const other = await openTestServer({
    config: {
      people: {
        sign_up: mode,
        default_tenant_id: 'globex',
        breached_passwords: { enabled: false },
      },
      tenants: [{ tenant_id: 'acme' }, { tenant_id: 'globex' }],
    },
    database: server.database,
    clock: server.clock,
  })
  const browser = createBrowser(other)
  const away = mode === 'open' ? signUpPath(link) : signInPath(link)
  expect(locationOf(await browser.get(link))).toBe(away)
  expect((await send(browser, link)).status).toBe(status)
  const memberships = [expect.objectContaining({ tenant_id: 'globex' })]
  const made = mode === 'open' ? { emailVerified: true, memberships } : undefined
  const account = await accountOf(`will-${mode}`)
  if (made) expect(account).toMatchObject(made)
  else expect(account).toBeUndefined()
})
