/** Authorization codes: one use, by the one client, in time. RFC 6749 §4.1.3, RFC 7636 §4.6. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  appUri,
  createPKCE,
  type GotCode,
  getCode,
  openPeopleServer,
  type PeopleServer,
  redeem,
  refresh,
  tokenAs,
} from './browser.js'
import { type Answer, decode, docs, type FormFields, issuer, mail } from './harness.js'

let server: PeopleServer
beforeAll(async () => {
  server = await openPeopleServer()
})
afterAll(() => server.close())

const expectGrantRefused = (answer: Answer<{ error?: string }>): void => {
  expect([answer.status, answer.body.error]).toEqual([400, 'invalid_grant'])
  expect(answer.body).not.toHaveProperty('access_token')
  expect(answer.body).not.toHaveProperty('refresh_token')
}

const isActive = async (token: string): Promise<unknown> =>
  (await server.introspect('docs-server', token)).body.active

describe('a code', () => {
  test("buys an application a token of the person's, and a refresh token", async () => {
    const got = await getCode(server, { query: { scope: 'docs:read docs:write' } })
    const { status, body, headers } = await redeem(server, got)
    expect([status, headers.get('cache-control')]).toEqual([200, 'no-store'])
    expect(body).toMatchObject({
      token_type: 'Bearer',
      expires_in: 900,
      scope: 'docs:read docs:write',
      refresh_token: expect.stringMatching(/^rt_[A-Za-z0-9_-]{43}$/),
    })
    const claims = decode(body.access_token)
    expect(claims).toMatchObject({
      iss: issuer,
      sub: 'usr_alice',
      aud: docs,
      client_id: 'pub',
      tenant_id: 'acme',
      role: 'user',
      org_role: 'member',
      organization_ids: ['acme'],
    })
    expect(claims).not.toHaveProperty('act')
    expect(claims).not.toHaveProperty('agent_limits')
    expect(await isActive(body.access_token)).toBe(true)
  })

  test('buys an agent a token that names it, within what the person has set', async () => {
    const got = await getCode(server, {
      query: { client_id: 'assistant' },
      consent: { cost_budget_usd: '2', requests_per_hour: '100' },
    })
    const { body } = await redeem(server, got)
    expect(decode(body.access_token)).toMatchObject({
      sub: 'usr_alice',
      client_id: 'assistant',
      role: 'agent',
      agent_type: 'assistant',
      act: { sub: 'assistant', iss: issuer, client_id: 'assistant', sub_profile: 'ai_agent' },
      agent_limits: {
        cost_budget_usd: 2,
        requests_per_hour: 100,
        max_delegation_depth: 0,
        allowed_actions: ['docs.*', 'mail.send'],
      },
    })
    expect(decode(body.access_token)).not.toHaveProperty('org_role')
  })

  test('buys no refresh token for a client without that grant type', async () => {
    const got = await getCode(server, { query: { client_id: 'code-only' } })
    const { status, body } = await redeem(server, got)
    expect(status).toBe(200)
    expect(body).not.toHaveProperty('refresh_token')
  })

  test('is for the issuer as well when openid was asked for, and for it alone without a resource', async () => {
    const both = await getCode(server, { query: { scope: 'openid docs:read' } })
    const { access_token } = (await redeem(server, both)).body
    expect(decode(access_token)).toMatchObject({ aud: [docs, issuer], scope: 'openid docs:read' })
    const alone = await getCode(server, { query: { scope: 'openid email', resource: undefined } })
    const { body } = await redeem(server, alone)
    expect(decode(body.access_token)).toMatchObject({ aud: issuer, scope: 'openid email' })
  })

  test.each([
    ['longer than a minute', 60],
    ['for ever', 86_400 * 2],
  ])('does not live %s', async (_, seconds) => {
    const got = await getCode(server)
    server.clock.advance(seconds)
    const answer = await redeem(server, got)
    expectGrantRefused(answer)
    expect(answer.body.error_detail).toBe('code_expired')
  })

  test('lives just shorter than that', async () => {
    const got = await getCode(server)
    server.clock.advance(59)
    expect((await redeem(server, got)).status).toBe(200)
  })

  test('has more bits than anyone can guess, and is nowhere in the database', async () => {
    const codes = await Promise.all(Array.from({ length: 20 }, () => getCode(server)))
    const all = codes.map(({ code }) => code)
    expect(new Set(all).size).toBe(all.length)
    for (const code of all) expect(code).toMatch(/^ac_[A-Za-z0-9_-]{43}$/)
    expect(new Set(all.map((code) => code.slice(3, 7))).size).toBeGreaterThan(15)
    const rows = await server.database.read('select * from authorization_codes', [])
    for (const code of all) expect(JSON.stringify(rows)).not.toContain(code)
    expect(server.log.join()).not.toMatch(/ac_[A-Za-z0-9_-]{43}/)
  })
})

describe('whoever cannot prove that it asked', () => {
  const flip = (code: string): string =>
    code.replace(/[a-z]/i, (one) =>
      one === one.toLowerCase() ? one.toUpperCase() : one.toLowerCase(),
    )

  const strangers: [string, (got: GotCode) => FormFields][] = [
    ['another verifier', () => ({ code_verifier: createPKCE().verifier })],
    ['the challenge as verifier', ({ pkce }) => ({ code_verifier: pkce.challenge })],
    ['a verifier that is too short', () => ({ code_verifier: 'a'.repeat(42) })],
    ['a verifier that is too long', () => ({ code_verifier: 'a'.repeat(129) })],
    ['a verifier of other characters', () => ({ code_verifier: `${'a'.repeat(42)}!` })],
    ['another redirect URI', () => ({ redirect_uri: 'https://app.example.test/other' })],
    ['no redirect URI', () => ({ redirect_uri: [] })],
    ['a part of the code', ({ code }) => ({ code: code.slice(0, -1) })],
    ['more than the code', ({ code }) => ({ code: `${code}A` })],
    ['the code in another case', ({ code }) => ({ code: flip(code.slice(3)) })],
    ['the code under another name', ({ code }) => ({ code: code.replace('ac_', 'rt_') })],
  ]

  test.each(strangers)('with %s gets nothing, and spoils nothing', async (_, change) => {
    const got = await getCode(server)
    expectGrantRefused(await redeem(server, got, change(got)))
    expect((await redeem(server, got)).status).toBe(200)
  })

  test.each([
    ['code_verifier', 'code_verifier'],
    ['code', 'code'],
  ])('without a %s is told so, and spoils nothing', async (_, name) => {
    const got = await getCode(server)
    for (const value of [[], '']) {
      const { status, body } = await redeem(server, got, { [name]: value })
      expect([status, body.error]).toEqual([400, 'invalid_request'])
    }
    expect((await redeem(server, got)).status).toBe(200)
  })

  test('as another client gets nothing, and spoils nothing', async () => {
    const got = await getCode(server, { query: { client_id: 'conf' } })
    for (const thief of ['conf2', 'pub']) {
      expectGrantRefused(await redeem(server, { ...got, clientId: thief }))
    }
    expect((await redeem(server, got)).status).toBe(200)
    const { access_token } = (await redeem(server, await getCode(server))).body
    expect(await isActive(access_token)).toBe(true)
  })

  test('and comes after it was used, revokes nothing', async () => {
    const got = await getCode(server)
    const { access_token } = (await redeem(server, got)).body
    for (const change of [
      { code_verifier: createPKCE().verifier },
      { redirect_uri: 'https://app.example.test/other' },
    ]) {
      expectGrantRefused(await redeem(server, got, change))
    }
    expectGrantRefused(await redeem(server, { ...got, clientId: 'twin' }))
    expect(await isActive(access_token)).toBe(true)
  })

  test('as a confidential client without its secret is not even heard', async () => {
    const got = await getCode(server, { query: { client_id: 'conf' } })
    const fields = {
      grant_type: 'authorization_code',
      client_id: 'conf',
      code: got.code,
      redirect_uri: appUri,
      code_verifier: got.pkce.verifier,
    }
    for (const more of [{}, { client_secret: 'wrong' }, { client_secret: '' }]) {
      const { status, body } = await server.post<{ error: string }>(
        '/token',
        { ...fields, ...more },
        {},
      )
      expect([status, body.error]).toEqual([401, 'invalid_client'])
    }
    expect((await redeem(server, got)).status).toBe(200)
  })

  test('cannot be a public client that asks for more than people gave it', async () => {
    const { status, body } = await tokenAs(server, 'pub', { grant_type: 'client_credentials' })
    expect([status, body.error]).toEqual([400, 'unauthorized_client'])
  })
})

describe('what is asked for at the token endpoint', () => {
  const both = { scope: 'docs:read mail:send', resource: [docs, mail] }

  test('may be less: one of the resources, some of the scope', async () => {
    const { body } = await redeem(server, await getCode(server, { query: both }), {
      resource: mail,
    })
    expect(decode(body.access_token)).toMatchObject({ aud: mail, scope: 'mail:send' })
    const less = await redeem(server, await getCode(server, { query: both }), {
      scope: 'docs:read',
    })
    expect(decode(less.body.access_token)).toMatchObject({ aud: [docs, mail], scope: 'docs:read' })
  })

  test.each([
    ['another resource', { resource: mail }, 'invalid_target'],
    ['the server itself', { resource: issuer }, 'invalid_target'],
    ['more scope', { scope: 'docs:read docs:write' }, 'invalid_scope'],
  ])('may not be more: %s', async (_, more, error) => {
    const got = await getCode(server)
    const { status, body } = await redeem(server, got, more)
    expect([status, body.error]).toEqual([400, error])
    expect((await redeem(server, got)).status).toBe(200)
  })

  test('must be said once', async () => {
    const got = await getCode(server)
    const answer = await redeem(server, got, { code: [got.code, 'ac_other'] })
    expect([answer.status, answer.body.error]).toEqual([400, 'invalid_request'])
  })

  test('comes in the redirect URI that was left out before', async () => {
    const got = await getCode(server, { query: { redirect_uri: undefined } })
    expect((await redeem(server, got, { redirect_uri: [] })).status).toBe(200)
    const again = await getCode(server, { query: { redirect_uri: undefined } })
    expectGrantRefused(await redeem(server, again, { redirect_uri: 'https://evil.example' }))
    expect((await redeem(server, again, { redirect_uri: appUri })).status).toBe(200)
  })
})

describe('a code that was used', () => {
  test('is refused, and takes with it what it bought, and nothing else', async () => {
    const sibling = (await redeem(server, await getCode(server))).body
    const got = await getCode(server)
    const bought = (await redeem(server, got)).body
    const fresh = (await refresh(server, 'pub', bought.refresh_token ?? '')).body
    // Whatever has become of the person since.
    server.people.who('usr_alice').person.disabled = true
    expectGrantRefused(await redeem(server, got))
    server.people.who('usr_alice').person.disabled = false
    expect(await isActive(bought.access_token)).toBe(false)
    expect(await isActive(fresh.access_token)).toBe(false)
    expectGrantRefused(await refresh(server, 'pub', fresh.refresh_token ?? ''))
    expect(await isActive(sibling.access_token)).toBe(true)
  })

  test('takes it along a day later as well', async () => {
    const got = await getCode(server)
    const bought = (await redeem(server, got)).body
    server.clock.advance(86_000)
    await server.deps.store.authorizationCodes.forget(server.clock.now())
    expectGrantRefused(await redeem(server, got))
    expectGrantRefused(await refresh(server, 'pub', bought.refresh_token ?? ''))
  })

  test('takes along what was handed on meanwhile', async () => {
    const got = await getCode(server, {
      query: { client_id: 'assistant', prompt: 'consent' },
      consent: { may_delegate: 'yes' },
    })
    const bought = (await redeem(server, got)).body
    const handOff = await server.exchange('assistant', bought.access_token, {
      requested_actor: 'helper',
    })
    const helper = await server.exchange('helper', handOff.body.access_token)
    expect(await isActive(helper.body.access_token)).toBe(true)
    expectGrantRefused(await redeem(server, got))
    expect(await isActive(helper.body.access_token)).toBe(false)
  })

  test('by 64 at once has one winner, and what that bought is dead', async () => {
    const got = await getCode(server)
    const all = await Promise.all(Array.from({ length: 64 }, () => redeem(server, got)))
    const won = all.filter(({ status }) => status === 200)
    expect(won).toHaveLength(1)
    for (const lost of all.filter((one) => one !== won[0])) expectGrantRefused(lost)
    expect(await isActive(won[0]?.body.access_token ?? '')).toBe(false)
    expectGrantRefused(await refresh(server, 'pub', won[0]?.body.refresh_token ?? ''))
    const families = await server.database.read(
      `select count(*)::int as n from delegations d where d.id = (
         select lineage[2] from authorization_codes order by created_at desc, consumed_at desc limit 1)`,
      [],
    )
    expect(families[0]?.n).toBe(1)
  })
})

describe('between the yes and the code', () => {
  test('the person is switched off, or leaves the organization', async () => {
    const alice = server.people.who('usr_alice')
    const got = await getCode(server)
    alice.person.disabled = true
    expectGrantRefused(await redeem(server, got))
    alice.person.disabled = false
    const [was] = alice.memberships.splice(0)
    expectGrantRefused(await redeem(server, got))
    alice.memberships.push({ ...was, disabled: true } as typeof was & object)
    expectGrantRefused(await redeem(server, got))
    alice.memberships.splice(0, 1, was as typeof was & object)
    expect((await redeem(server, got)).status).toBe(200)
  })

  test('the client is switched off', async () => {
    const got = await getCode(server, { query: { client_id: 'conf2' } })
    await server.database.write(`update clients set disabled = true where client_id = 'conf2'`, [])
    const { status, body } = await redeem(server, got)
    expect([status, body.error]).toEqual([401, 'invalid_client'])
    await server.database.write(`update clients set disabled = false where client_id = 'conf2'`, [])
  })

  test('the consent is taken back', async () => {
    const got = await getCode(server)
    await server.deps.store.revocations.revoke(
      { subject: 'usr_alice' },
      'revoked_by_admin',
      server.clock.now(),
    )
    expectGrantRefused(await redeem(server, got))
    expect((await getCode(server)).asked).toBe(true)
  })

  test('the client loses a scope, and the code buys what is left', async () => {
    const query = { client_id: 'code-only', prompt: 'consent' }
    const set = (scope: string) =>
      server.database.write(`update clients set scope = $1 where client_id = 'code-only'`, [
        scope.split(' '),
      ])
    await set('docs:read docs:write')
    const wide = await getCode(server, { query: { ...query, scope: 'docs:read docs:write' } })
    const gone = await getCode(server, { query })
    await set('docs:write')
    const { body } = await redeem(server, wide)
    expect(decode(body.access_token).scope).toBe('docs:write')
    const nothing = await redeem(server, gone)
    expect([nothing.status, nothing.body.error]).toEqual([400, 'invalid_scope'])
    await set('docs:read')
  })
})
