/** Refresh tokens: each used once, and a second use ends the family. RFC 6749 §6, RFC 9700 §4.14. */
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import {
  type GetCodeOptions,
  getTokens,
  openPeopleServer,
  type PeopleServer,
  type PersonTokens,
  peopleConfig,
  refresh,
  tokenAs,
} from './browser.js'
import { type Answer, basic, decode, docs, issuer, mail, secretOf } from './harness.js'

let server: PeopleServer
beforeAll(async () => {
  server = await openPeopleServer()
})
afterAll(() => server.close())

const expectGrantRefused = (answer: Answer<{ error?: string }>): void => {
  expect([answer.status, answer.body.error]).toEqual([400, 'invalid_grant'])
  expect(answer.body).not.toHaveProperty('access_token')
}

const isActive = async (token: string): Promise<unknown> =>
  (await server.introspect('docs-server', token)).body.active

const lineageOf = (token: string): string[] => decode(token).agent_lineage as string[]

const next = async (
  token: string,
  clientId = 'pub',
): Promise<PersonTokens & { refresh_token: string }> => {
  const { status, body } = await refresh(server, clientId, token)
  expect(status).toBe(200)
  return { ...body, refresh_token: body.refresh_token ?? '' }
}

const setScope = (clientId: string, scope: string) =>
  server.database.write('update clients set scope = $2 where client_id = $1', [
    clientId,
    scope.split(' '),
  ])

describe('a refresh token', () => {
  test('buys a fresh token of the same kind, and its successor', async () => {
    const first = await getTokens(server)
    server.clock.advance(900)
    expect(await isActive(first.access_token)).toBe(false)
    const second = await next(first.refresh_token)
    expect(second.refresh_token).not.toBe(first.refresh_token)
    expect(second).toMatchObject({ token_type: 'Bearer', expires_in: 900, scope: 'docs:read' })
    const claims = decode(second.access_token)
    expect(claims).toMatchObject({ sub: 'usr_alice', aud: docs, client_id: 'pub', role: 'user' })
    expect(claims.agent_lineage).toEqual(lineageOf(first.access_token))
    expect(await isActive(second.access_token)).toBe(true)
  })

  test('says what is true of the person now', async () => {
    const first = await getTokens(server)
    const alice = server.people.who('usr_alice')
    alice.person.role = 'admin'
    expect(decode((await next(first.refresh_token)).access_token).role).toBe('admin')
    alice.person.role = 'user'
  })

  test('has more bits than anyone can guess, and is nowhere in the database or the log', async () => {
    const all = await Promise.all(Array.from({ length: 10 }, () => getTokens(server)))
    const last = await next(all[0]?.refresh_token ?? '')
    const tokens = [...all.map(({ refresh_token }) => refresh_token), last.refresh_token]
    const rows = JSON.stringify(await server.database.read('select * from refresh_tokens', []))
    for (const token of tokens) {
      expect(token).toMatch(/^rt_[A-Za-z0-9_-]{43}$/)
      expect(rows).not.toContain(token)
      expect(server.log.join()).not.toContain(token)
    }
  })

  test('is dead after thirty days without use, and lives on with it', async () => {
    const idle = await getTokens(server)
    let used = await getTokens(server)
    server.clock.advance(20 * 86_400)
    used = { ...used, ...(await next(used.refresh_token)) }
    server.clock.advance(10 * 86_400)
    expectGrantRefused(await refresh(server, 'pub', idle.refresh_token))
    await next(used.refresh_token)
  })

  test('is dead after ninety days, however often it is used', async () => {
    let { refresh_token } = await getTokens(server)
    for (let day = 0; day < 75; day += 15) {
      server.clock.advance(15 * 86_400)
      refresh_token = (await next(refresh_token)).refresh_token
    }
    server.clock.advance(15 * 86_400 - 1)
    refresh_token = (await next(refresh_token)).refresh_token
    server.clock.advance(1)
    expectGrantRefused(await refresh(server, 'pub', refresh_token))
  })

  test("of an agent ends with the person's consent, and its last token with it", async () => {
    const first = await getTokens(server, {
      query: { client_id: 'assistant', prompt: 'consent' },
      consent: { expires_in_days: '1' },
    })
    server.clock.advance(86_400 - 60)
    const second = await next(first.refresh_token, 'assistant')
    expect(second.expires_in).toBe(60)
    server.clock.advance(60)
    expectGrantRefused(await refresh(server, 'assistant', second.refresh_token))
  })
})

describe('less may be asked for', () => {
  const query = { scope: 'docs:read docs:write mail:send', resource: [docs, mail] }

  test('in this token, without losing the rest', async () => {
    const first = await getTokens(server, { query })
    const less = await refresh(server, 'pub', first.refresh_token, { scope: 'docs:read' })
    expect(less.body.scope).toBe('docs:read')
    const one = await refresh(server, 'pub', less.body.refresh_token ?? '', { resource: mail })
    expect(decode(one.body.access_token)).toMatchObject({ aud: mail, scope: 'mail:send' })
    const all = await next(one.body.refresh_token ?? '')
    expect(decode(all.access_token)).toMatchObject({ aud: [docs, mail], scope: query.scope })
  })

  test.each([
    ['more scope', { scope: 'docs:read docs:write' }, 'invalid_scope'],
    ['unknown scope', { scope: 'admin' }, 'invalid_scope'],
    ['another resource', { resource: mail }, 'invalid_target'],
    ['the server itself', { resource: issuer }, 'invalid_target'],
  ])('but not %s, and then nothing was used up', async (_, more, error) => {
    const first = await getTokens(server)
    const { status, body } = await refresh(server, 'pub', first.refresh_token, more)
    expect([status, body.error]).toEqual([400, error])
    server.clock.advance(60)
    await next(first.refresh_token)
  })
})

describe('what was taken away since is not given again', () => {
  test('a scope of the client', async () => {
    const first = await getTokens(server, { query: { scope: 'docs:read docs:write' } })
    await setScope('pub', 'docs:write')
    const second = await next(first.refresh_token)
    expect(decode(second.access_token).scope).toBe('docs:write')
    await setScope('pub', 'mail:send')
    const third = await refresh(server, 'pub', second.refresh_token)
    expect([third.status, third.body.error]).toEqual([400, 'invalid_scope'])
    await setScope('pub', 'openid email docs:read docs:write mail:send')
    expect(decode((await next(second.refresh_token)).access_token).scope).toBe(
      'docs:read docs:write',
    )
  })

  test('a resource of the client', async () => {
    const first = await getTokens(server, { query: { client_id: 'assistant' } })
    const set = (resources: string[]) =>
      server.database.write(`update clients set resources = $1 where client_id = 'assistant'`, [
        resources,
      ])
    await set([mail])
    const second = await refresh(server, 'assistant', first.refresh_token)
    expect([second.status, second.body.error]).toEqual([400, 'invalid_target'])
    await set([docs, mail])
  })

  test('the limits of the client, which count from the next token on', async () => {
    const first = await getTokens(server, { query: { client_id: 'assistant' } })
    const set = (limits: object) =>
      server.database.write(
        `update clients set agent_limits = $1::text::jsonb where client_id = 'assistant'`,
        [JSON.stringify(limits)],
      )
    await set({ cost_budget_usd: 1, allowed_actions: ['docs.read'] })
    const second = await next(first.refresh_token, 'assistant')
    expect(decode(second.access_token).agent_limits).toMatchObject({
      cost_budget_usd: 1,
      allowed_actions: ['docs.read'],
    })
    await set({ cost_budget_usd: 50, allowed_actions: ['docs.*', 'mail.send'] })
  })

  test('the person, or their place in the organization', async () => {
    const first = await getTokens(server)
    const alice = server.people.who('usr_alice')
    alice.person.disabled = true
    expectGrantRefused(await refresh(server, 'pub', first.refresh_token))
    alice.person.disabled = false
    const was = alice.memberships.splice(0)
    expectGrantRefused(await refresh(server, 'pub', first.refresh_token))
    alice.memberships.push(...was)
    await next(first.refresh_token)
  })

  test('the consent', async () => {
    const first = await getTokens(server)
    const root = lineageOf(first.access_token)[0] ?? ''
    await server.deps.store.revocations.revoke({ delegation_id: root }, 'test', server.clock.now())
    expectGrantRefused(await refresh(server, 'pub', first.refresh_token))
  })
})

describe('whoever it was not given to', () => {
  test('another client gets nothing, and does the family no harm', async () => {
    const first = await getTokens(server, { query: { client_id: 'conf' } })
    expectGrantRefused(await refresh(server, 'conf2', first.refresh_token))
    expectGrantRefused(await refresh(server, 'pub', first.refresh_token))
    const second = await next(first.refresh_token, 'conf')
    server.clock.advance(60)
    expectGrantRefused(await refresh(server, 'conf2', first.refresh_token))
    expect(await isActive(second.access_token)).toBe(true)
  })

  test.each([
    ['no secret', {}],
    ['an empty secret', { client_secret: '' }],
    ['a wrong secret', { client_secret: 'wrong' }],
  ])('its own client with %s is not heard', async (_, more) => {
    const first = await getTokens(server, { query: { client_id: 'conf' } })
    const fields = { grant_type: 'refresh_token', refresh_token: first.refresh_token }
    const asked = { client_id: 'conf', ...fields, ...more }
    const { status, body } = await server.post<{ error: string }>('/token', asked, {})
    expect([status, body.error]).toEqual([401, 'invalid_client'])
    const headers = { Authorization: basic('conf', secretOf('conf2')) }
    expect((await server.post('/token', fields, headers)).status).toBe(401)
    await next(first.refresh_token, 'conf')
  })

  test('an access token is no refresh token, and the other way round', async () => {
    const first = await getTokens(server)
    expectGrantRefused(await refresh(server, 'pub', first.access_token))
    expect(await isActive(first.refresh_token)).toBe(false)
    const exchanged = await server.exchange('assistant', first.refresh_token)
    expect(exchanged.body.error).toBe('invalid_request')
    const { status } = await server.request('/ledger/budgets/dlg_x', {
      headers: { Authorization: `Bearer ${first.refresh_token}` },
    })
    expect(status).toBe(401)
  })

  test.each(['', 'rt_', 'rt_unknown', `rt_${'A'.repeat(43)}`, 'x'.repeat(5000)])(
    'with %j there is nothing to be had',
    async (token) => {
      const { status, body } = await refresh(server, 'pub', token)
      expect([status, body.error]).toEqual([400, token ? 'invalid_grant' : 'invalid_request'])
    },
  )

  test('a client without the grant type is told so', async () => {
    const first = await getTokens(server)
    const { body } = await tokenAs(server, 'code-only', {
      grant_type: 'refresh_token',
      refresh_token: first.refresh_token,
    })
    expect(body.error).toBe('unauthorized_client')
  })
})

describe('a refresh token that was used', () => {
  const replayEndsAll = async (options?: GetCodeOptions) => {
    const other = await getTokens(server, options)
    const first = await getTokens(server, options)
    const second = await next(first.refresh_token)
    server.clock.advance(11)
    expectGrantRefused(await refresh(server, 'pub', first.refresh_token))
    expectGrantRefused(await refresh(server, 'pub', second.refresh_token))
    expect(await isActive(second.access_token)).toBe(false)
    expect(await isActive(first.access_token)).toBe(false)
    expect(await isActive(other.access_token)).toBe(true)
    return lineageOf(first.access_token)[1]
  }

  test('and comes again ends the family, all of it, and nothing else', async () => {
    const family = await replayEndsAll()
    const page = await server.deps.store.revocations.after(0n, server.clock.now())
    expect(page.revoked.map(({ id }) => id)).toContain(family)
  })

  test('ends it however wrong the rest of the request is', async () => {
    const first = await getTokens(server)
    const second = await next(first.refresh_token)
    server.clock.advance(11)
    const answer = await refresh(server, 'pub', first.refresh_token, { scope: 'admin' })
    expectGrantRefused(answer)
    expectGrantRefused(await refresh(server, 'pub', second.refresh_token))
  })

  test('is answered with the same successor by whoever came before the first answer left', async () => {
    let leave = () => {}
    let waited = 0
    const wait = (ms: number) => {
      waited = ms
      return new Promise<void>((resolve) => {
        leave = resolve
      })
    }
    const { database, clock } = server
    const slow = await openPeopleServer({ database, clock, wait })
    const first = await getTokens(server)
    let isAnswered = false
    const waiting = refresh(slow, 'pub', first.refresh_token).then((answer) => {
      isAnswered = true
      return answer
    })
    await vi.waitFor(() => expect(waited).toBe(200))
    clock.advance(0.199)
    const beside = await next(first.refresh_token)
    expect(isAnswered).toBe(false)
    leave()
    const { status, body } = await waiting
    expect([status, body.refresh_token]).toEqual([200, beside.refresh_token])
    expect(body.access_token).not.toBe(beside.access_token)
    // Nobody who has the answer comes earlier than this.
    clock.advance(0.001)
    expectGrantRefused(await refresh(server, 'pub', first.refresh_token))
    expectGrantRefused(await refresh(server, 'pub', beside.refresh_token))
  })

  test('is answered with the same successor for as long as the configuration says', async () => {
    const config = { ...peopleConfig, refresh_tokens: { grace_seconds: 10 } }
    const { database, clock } = server
    // Ten seconds are not waited for.
    const wait = () => Promise.reject(new Error('it waits'))
    const patient = await openPeopleServer({ config, database, clock, wait })
    const first = await getTokens(patient)
    const again = async () => (await refresh(patient, 'pub', first.refresh_token)).body
    const second = await again()
    clock.advance(9)
    expect((await again()).refresh_token).toBe(second.refresh_token)
    clock.advance(1)
    expect((await again()).error).toBe('invalid_grant')
  })

  test('ends the family even so when its successor was used as well', async () => {
    const first = await getTokens(server)
    const second = await next(first.refresh_token)
    const third = await next(second.refresh_token)
    expectGrantRefused(await refresh(server, 'pub', first.refresh_token))
    expectGrantRefused(await refresh(server, 'pub', third.refresh_token))
  })

  test('by 64 at once has one successor in one family, that goes on', async () => {
    const first = await getTokens(server)
    const all = await Promise.all(
      Array.from({ length: 64 }, () => refresh(server, 'pub', first.refresh_token)),
    )
    expect(all.map(({ status }) => status)).toEqual(Array(64).fill(200))
    const successors = new Set(all.map(({ body }) => body.refresh_token))
    expect(successors.size).toBe(1)
    const family = lineageOf(first.access_token)[1]
    for (const { body } of all) expect(lineageOf(body.access_token)[1]).toBe(family)
    const rows = await server.database.read(
      'select count(*)::int as n from refresh_tokens where delegation_id = $1',
      [family],
    )
    expect(rows[0]?.n).toBe(2)
    await next([...successors][0] ?? '')
  })

  test('while it is revoked leaves nothing alive', async () => {
    for (let round = 0; round < 10; round += 1) {
      const first = await getTokens(server)
      const [, delegation_id = ''] = lineageOf(first.access_token)
      const { revocations } = server.deps.store
      const [rotated] = await Promise.all([
        refresh(server, 'pub', first.refresh_token),
        revocations.revoke({ delegation_id }, 'token_revoked', server.clock.now()),
      ])
      expectGrantRefused(await refresh(server, 'pub', first.refresh_token))
      if (rotated.status !== 200) continue
      expectGrantRefused(await refresh(server, 'pub', rotated.body.refresh_token ?? ''))
      expect(await isActive(rotated.body.access_token)).toBe(false)
    }
  })

  test('and was forgotten is unknown, no more', async () => {
    const first = await getTokens(server)
    const second = await next(first.refresh_token)
    server.clock.advance(29 * 86_400)
    const third = await next(second.refresh_token)
    server.clock.advance(2 * 86_400)
    await server.forgetHistory()
    expectGrantRefused(await refresh(server, 'pub', first.refresh_token))
    await next(third.refresh_token)
  })
})

test('an exchange gives no refresh token', async () => {
  const { access_token } = await getTokens(server, {
    query: { client_id: 'assistant', prompt: 'consent' },
    consent: { may_delegate: 'yes' },
  })
  const narrowed = await server.exchange('assistant', access_token)
  expect(narrowed.status).toBe(200)
  expect(narrowed.body).not.toHaveProperty('refresh_token')
  const handOff = await server.exchange('assistant', access_token, { requested_actor: 'helper' })
  const accepted = await server.exchange('helper', handOff.body.access_token)
  expect([handOff.status, accepted.status]).toEqual([200, 200])
  expect({ ...handOff.body, ...accepted.body }).not.toHaveProperty('refresh_token')
})

test('all times are the configuration’s, and without a grace a second use ends all at once', async () => {
  const refresh_tokens = { idle_seconds: 100, absolute_seconds: 250, grace_seconds: 0 }
  const config = { ...peopleConfig, refresh_tokens }
  const strict = await openPeopleServer({ config, database: server.database, clock: server.clock })
  const replayed = await getTokens(strict)
  const second = await refresh(strict, 'pub', replayed.refresh_token)
  expectGrantRefused(await refresh(strict, 'pub', replayed.refresh_token))
  expectGrantRefused(await refresh(strict, 'pub', second.body.refresh_token ?? ''))
  expect(await isActive(second.body.access_token)).toBe(false)
  const idle = await getTokens(strict)
  const used = await getTokens(strict)
  server.clock.advance(99)
  const one = await refresh(strict, 'pub', used.refresh_token)
  server.clock.advance(1)
  expectGrantRefused(await refresh(strict, 'pub', idle.refresh_token))
  server.clock.advance(98)
  const two = await refresh(strict, 'pub', one.body.refresh_token ?? '')
  expect(two.status).toBe(200)
  server.clock.advance(52)
  expectGrantRefused(await refresh(strict, 'pub', two.body.refresh_token ?? ''))
})

test('a rotated one is refused after a restart as well', async () => {
  const first = await getTokens(server)
  const second = await next(first.refresh_token)
  server.clock.advance(11)
  const again = await openPeopleServer({ database: server.database, clock: server.clock })
  expectGrantRefused(await refresh(again, 'pub', first.refresh_token))
  expectGrantRefused(await refresh(again, 'pub', second.refresh_token))
})
