/** Members of organizations: who sees and changes whom, and what ends with a membership. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { appUri, authorizeQuery, createPKCE, fieldsOf } from './browser.js'
import { type Browser, decode, mail, type TestServer } from './harness.js'
import {
  type MembersServer,
  openMembersServer,
  organizationPage as page,
  password,
} from './people-fixtures.js'

let all: MembersServer
let server: TestServer
beforeAll(async () => {
  all = await openMembersServer()
  server = all.server
})
afterAll(() => all.close())
beforeEach(() => all.calm())

describe('members', () => {
  test('owners and admins see the members and their roles; a member sees only the way out', async () => {
    for (const name of ['olga', 'adam']) {
      const html = await (await (await all.enter(name)).get(page)).text()
      expect(html).toContain('mia@acme.test · Member')
      expect(html).toContain('olga@acme.test · Owner')
      expect(html).not.toContain('gina@acme.test')
    }
    const html = await (await (await all.enter('mia')).get(page)).text()
    expect(html).not.toContain('olga@acme.test')
    expect(html).not.toContain('Invite somebody')
    expect(html).toContain('Leave acme')
  })

  test('an owner changes a role, and an admin one that is about no owner', async () => {
    const olga = await all.enter('olga')
    expect((await all.press(olga, 'Make mia an administrator')).status).toBe(303)
    expect(await all.roleOf('mia')).toBe('admin')
    const adam = await all.enter('adam')
    expect((await all.press(adam, 'Make mia a member')).status).toBe(303)
    expect(await all.roleOf('mia')).toBe('member')
    const html = await (await adam.get(page)).text()
    expect(html).not.toContain('an owner</button>')
    expect(html).not.toContain('Remove olga')
  })

  test('an admin neither makes owners nor touches one, whatever form they write', async () => {
    const adam = await all.enter('adam')
    for (const [who, what] of [
      ['mia', 'owner'],
      ['adam', 'owner'],
      ['olga', 'member'],
      ['olga', 'remove'],
    ] as const) {
      expect(
        await all.forge(adam, 'members', { member_id: await all.memberId(who), do: what }),
      ).toBe(403)
    }
    expect(
      await all.forge(adam, 'members', { member_id: await all.memberId('mia'), do: 'king' }),
    ).toBe(403)
    expect([await all.roleOf('olga'), await all.roleOf('adam'), await all.roleOf('mia')]).toEqual([
      'owner',
      'admin',
      'member',
    ])
  })

  test('a member changes nobody, and nobody changes anybody elsewhere', async () => {
    const mia = await all.enter('mia')
    const gina = await all.enter('gina')
    const max = await all.memberId('max')
    for (const browser of [mia, gina]) {
      expect(await all.forge(browser, 'members', { member_id: max, do: 'remove' })).toBe(403)
      expect(await all.forge(browser, 'members', { member_id: max, do: 'admin' })).toBe(403)
      const invited = { email: 'x@acme.test', role: 'member', do: 'invite' }
      expect(await all.forge(browser, 'invitations', invited)).toBe(403)
    }
    // Her own organization does not make him hers.
    const own = { tenant_id: 'globex', member_id: max }
    expect(await all.forge(gina, 'members', { ...own, do: 'remove' })).toBe(404)
    expect(await all.forge(gina, 'members', { ...own, do: 'admin' })).toBe(404)
    expect(await all.roleOf('max')).toBe('member')
    expect(all.letters).toEqual([])
  })

  test('the last owner is neither demoted nor removed, and does not leave', async () => {
    const olga = await all.enter('olga')
    for (const button of ['Make olga a member', 'Make olga an administrator', 'Remove olga']) {
      const answer = await all.press(olga, button)
      expect(answer.status).toBe(409)
      expect(await answer.text()).toContain('An organization needs an owner.')
    }
    expect((await all.press(olga, 'Leave', { sure: 'yes' })).status).toBe(409)
    expect(await all.roleOf('olga')).toBe('owner')
  })

  test('an owner who cannot sign in does not count as one', async () => {
    const olga = await all.enter('olga')
    await all.press(olga, 'Make adam an owner')
    const off = (is: boolean) =>
      server.database.write(`update users set disabled = $1 where email = 'adam@acme.test'`, [is])
    await off(true)
    expect((await all.press(olga, 'Leave', { sure: 'yes' })).status).toBe(409)
    await off(false)
    expect((await all.press(olga, 'Make adam an administrator')).status).toBe(303)
  })

  test('of two owners who leave at once, one stays', async () => {
    for (let round = 0; round < 3; round += 1) {
      await server.database.write(`update members set role = 'owner' where id = any($1::text[])`, [
        [await all.memberId('olga'), await all.memberId('adam')],
      ])
      const both = await Promise.all([all.enter('olga'), all.enter('adam')])
      const answers = await Promise.all(
        both.map((browser) => all.press(browser, 'Leave', { sure: 'yes' })),
      )
      expect(answers.map(({ status }) => status).toSorted()).toEqual([303, 409])
      const left = (await all.roleOf('olga')) === undefined ? 'olga' : 'adam'
      await all.joinAs((await all.find(left)).sub, 'acme', 'owner')
    }
    await all.press(await all.enter('olga'), 'Make adam an administrator')
  })

  test('leaving asks whether one is sure', async () => {
    const max = await all.enter('max')
    expect((await all.press(max, 'Leave')).status).toBe(400)
    expect(await all.roleOf('max')).toBe('member')
    const left = await all.press(max, 'Leave', { sure: 'yes' })
    expect(left.headers.get('location')).toBe(`${page}?notice=left`)
    expect(await all.roleOf('max')).toBeUndefined()
    expect(await (await max.get(`${page}?notice=left`)).text()).toContain('You have left')
  })

  test('pages of members are bounded', async () => {
    await server.database.write(
      `with made as (
         insert into users (id, email, name) select 'usr_' || n, n || '@many.test', 'N' || n
         from generate_series(1, 120) n returning id)
       insert into members (id, tenant_id, user_id, role)
       select 'mbr_' || id, 'globex', id, 'member' from made`,
      [],
    )
    const gina = await all.enter('gina')
    const cards = async (at: string) => {
      const html = await (await gina.get(at)).text()
      return { count: html.match(/@many\.test ·/g)?.length ?? 0, html }
    }
    const first = await cards(page)
    expect(first.count).toBe(49)
    expect(first.html).toContain(`${page}?page=1`)
    expect((await cards(`${page}?page=1`)).count).toBe(50)
    const last = await cards(`${page}?page=2`)
    expect(last.count).toBe(21)
    expect(last.html).not.toContain(`${page}?page=3`)
    for (const odd of ['-1', '1e99', 'x', '1.5', '99999999999999999999']) {
      expect((await gina.get(`${page}?page=${odd}`)).status).toBe(200)
    }
  })

  test('a form from elsewhere, or of another session, changes nothing', async () => {
    const olga = await all.enter('olga')
    const fields = { tenant_id: 'acme', member_id: await all.memberId('abel'), do: 'remove' }
    const csrf = await all.csrfOf(olga)
    const foreign = { Origin: 'https://evil.example' }
    const answers = [
      await olga.post(`${page}/members`, { ...fields, csrf }, foreign),
      await olga.post(`${page}/members`, fields),
      await olga.post(`${page}/members`, {
        ...fields,
        csrf: await all.csrfOf(await all.enter('olga')),
      }),
      await olga.post(`${page}/invitations`, { ...fields, email: 'a@b.test', do: 'invite' }),
      await olga.post('/account/security/name', { name: 'Evil' }),
      await olga.post('/account/security/password', { current: password, next: 'new words here' }),
    ]
    expect(answers.map(({ status }) => status)).toEqual([403, 403, 403, 403, 403, 403])
    expect(await all.roleOf('abel')).toBe('admin')
  })
})

describe('what a member has lent', () => {
  const lend = async (browser: Browser, tenant_id: string) => {
    const pkce = createPKCE()
    const asked = { client_id: 'roamer', resource: mail, scope: 'mail:send' }
    const query = authorizeQuery(pkce, asked)
    const html = await (await browser.get(`/authorize?${query}`)).text()
    const agreed = { ...fieldsOf(html), tenant_id, decision: 'allow' }
    const location = (await browser.post('/consent', agreed)).headers.get('location') ?? ''
    const { body } = await server.token('roamer', {
      grant_type: 'authorization_code',
      code: new URL(location).searchParams.get('code') ?? '',
      redirect_uri: appUri,
      code_verifier: pkce.verifier,
    })
    return body as typeof body & { refresh_token: string }
  }
  const refresh = (refresh_token: string) =>
    server.token('roamer', { grant_type: 'refresh_token', refresh_token })
  const isActive = async (token: string) =>
    (await server.introspect('mail-server', token)).body.active

  test.each<[string, (mia: Browser) => Promise<Response>]>([
    ['is removed', async () => all.press(await all.enter('adam'), 'Remove mia')],
    [
      'leaves',
      async (mia) => {
        await mia.fill(page, { tenant_id: 'acme' })
        return all.press(mia, 'Leave', { sure: 'yes' })
      },
    ],
  ])('ends at once when somebody %s, and what they lent elsewhere stays', async (_, end) => {
    const { sub } = await all.find('mia')
    await all.joinAs(sub, 'acme')
    await all.joinAs(sub, 'globex')
    const mia = await all.enter('mia')
    const here = await lend(mia, 'acme')
    const there = await lend(mia, 'globex')
    const both = () => Promise.all([isActive(here.access_token), isActive(there.access_token)])
    expect(await both()).toEqual([true, true])
    const before = await server.deps.store.revocations.newest()
    expect((await end(mia)).status).toBe(303)

    expect(await all.roleOf('mia')).toBeUndefined()
    expect(await both()).toEqual([false, true])
    expect((await refresh(here.refresh_token)).body.error).toBe('invalid_grant')
    expect((await refresh(there.refresh_token)).status).toBe(200)
    const { revoked } = await server.deps.store.revocations.after(before, server.clock.now())
    const lineage = decode(here.access_token).agent_lineage as string[]
    expect(revoked.map(({ id }) => id)).toEqual(lineage.slice(0, 1))
    const rows = await server.database.read(
      'select tenant_id from consents where subject = $1 and revoked_at is null',
      [sub],
    )
    expect(rows).toEqual([{ tenant_id: 'globex' }])
    // Back again, they have lent nothing.
    await all.joinAs(sub, 'acme')
    expect((await refresh(here.refresh_token)).body.error).toBe('invalid_grant')
    expect(await isActive(here.access_token)).toBe(false)
  })

  const reserve = async (token: string): Promise<unknown[]> => {
    const charge = { token, amount_usd: '0.01', action: 'mail.send' }
    const { status, body } = await server.ledger('mail-server', '/reservations', charge)
    return [status, body.error_detail]
  }
  const lease = async (token: string): Promise<number> => {
    const asked = { token, holder: 'one', want_usd: '0.01' }
    return (await server.ledger('mail-server', '/leases', asked)).status
  }
  test('is charged as before where they lent it as nobody’s member', async () => {
    await all.addPerson('xena')
    const { access_token } = await lend(await all.enter('xena'), '')
    expect(decode(access_token).tenant_id).toBeUndefined()
    expect(await reserve(access_token)).toEqual([201, undefined])
  })

  const membership = `tenant_id = 'acme' and user_id = (select id from users where email = $1)`

  test.each([
    ['their membership is deleted', `delete from members where ${membership}`],
    ['they are switched off', 'update users set disabled = true where email = $1'],
    ['they are deleted', 'delete from users where email = $1'],
  ])('is no more charged as soon as %s, past the server as well', async (_, statement) => {
    await all.addPerson('walt')
    const { sub } = await all.find('walt')
    await all.joinAs(sub, 'acme')
    await all.joinAs(sub, 'globex')
    const walt = await all.enter('walt')
    const here = await lend(walt, 'acme')
    const there = await lend(walt, 'globex')
    expect(await reserve(here.access_token)).toEqual([201, undefined])
    expect(await lease(here.access_token)).toBe(201)
    await server.database.write(statement, ['walt@acme.test'])
    expect(await reserve(here.access_token)).toEqual([403, 'delegation_revoked'])
    expect(await lease(here.access_token)).toBe(403)
    const elsewhere = (await all.roleOf('walt', 'globex')) !== undefined
    const stays = elsewhere && !statement.startsWith('update') ? 201 : 403
    expect((await reserve(there.access_token))[0]).toBe(stays)
    await server.database.write('delete from users where email = $1', ['walt@acme.test'])
  })
})
