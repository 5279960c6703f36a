/** The person's yes: asked on a page of ours, for one client, answered once, and remembered. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  appUri,
  authorizeQuery,
  createPKCE,
  fieldsOf,
  getCode,
  getTokens,
  nativeUri,
  openBrowser,
  openPeopleServer,
  type PeopleServer,
  redeem,
} from './browser.js'
import { decode, docs, issuer, mail, otherTenantDocs } from './harness.js'

let server: PeopleServer
beforeAll(async () => {
  server = await openPeopleServer()
})
afterAll(() => server.close())

type Query = Record<string, string | string[] | undefined>

const ask = async (person: string, query: Query = {}) => {
  const browser = openBrowser(server, person)
  return { browser, page: await browser.authorize(authorizeQuery(createPKCE(), query)) }
}

/** Always asked, whatever was agreed to before. */
const asked = { prompt: 'consent' }
const agent = { client_id: 'assistant', ...asked }

const lastReason = (): unknown => JSON.parse(server.log.at(-1) ?? '{}').reason

describe('the page', () => {
  test('says who asks, where the answer goes, for what, and as whom', async () => {
    const { page } = await ask('usr_alice', {
      ...asked,
      scope: 'openid email docs:read docs:write mail:send',
      resource: [docs, mail],
    })
    expect(page.status).toBe(200)
    for (const words of [
      '<h1>Public App wants to use your account</h1>',
      '<strong>app.example.test</strong>',
      'alice@acme.test',
      docs,
      'Read your documents',
      '<code>docs:write</code>',
      mail,
      'Know that it is you',
      'See your email address',
      'Acme',
    ]) {
      expect(page.text).toContain(words)
    }
    expect(page.text).not.toContain('Your limits')
  })

  test('of an agent asks for the limits, and offers no more than the agent may have', async () => {
    const { page } = await ask('usr_alice', agent)
    expect(page.text).toContain('Assistant wants to act for you')
    expect(page.text).toContain('At most 50.')
    expect(fieldsOf(page.text)).toMatchObject({
      cost_budget_usd: '5',
      requests_per_hour: '',
      expires_in_days: '30',
      tenant_id: 'acme',
    })
    expect(fieldsOf(page.text)).not.toHaveProperty('may_delegate')
  })

  test('warns of a program on the own machine', async () => {
    const native = { client_id: 'native', redirect_uri: 'http://127.0.0.1:9/cb', ...asked }
    const { page } = await ask('usr_alice', native)
    expect(page.text).toContain('on your own computer')
    expect(page.text).toContain('<strong>127.0.0.1:9</strong>')
    expect((await ask('usr_alice', asked)).page.text).not.toContain('on your own computer')
  })

  test('is framed by nobody, runs nothing, and ends at us or at the client', async () => {
    const { headers } = (await ask('usr_alice', asked)).page
    const policy = headers.get('content-security-policy') ?? ''
    expect(policy).toContain("default-src 'none'")
    expect(policy).toContain("frame-ancestors 'none'")
    expect(policy).toContain("base-uri 'none'")
    expect(policy).toContain("form-action 'self' https://app.example.test;")
    expect(policy).not.toMatch(/unsafe|script-src/)
    expect(headers.get('x-frame-options')).toBe('DENY')
    expect(headers.get('cache-control')).toBe('no-store')
    expect(headers.get('x-content-type-options')).toBe('nosniff')
  })

  test('writes whatever a client is called as text', async () => {
    const name = `<img src=x onerror=alert(1)>"'&`
    const set = `update clients set client_name = $1 where client_id = 'twin'`
    await server.database.write(set, [name])
    const twin = { client_id: 'twin', redirect_uri: 'https://app.example.test/other', ...asked }
    const { page } = await ask('usr_alice', twin)
    expect(page.text).not.toContain('<img')
    expect(page.text).toContain('&lt;img src=x')
  })
})

describe('the answer', () => {
  test('yes brings a code, once, however often the button is pressed', async () => {
    const { browser, page } = await ask('usr_alice', asked)
    const all = await Promise.all(Array.from({ length: 10 }, () => browser.answer(page)))
    const codes = all.filter(({ query }) => query.has('code'))
    expect(codes).toHaveLength(1)
    for (const other of all) {
      if (other !== codes[0]) expect([other.status, other.location]).toEqual([400, undefined])
    }
  })

  test('no brings a refusal, and a yes afterwards nothing', async () => {
    const { browser, page } = await ask('usr_alice', asked)
    const no = await browser.answer(page, { decision: 'deny' })
    expect(no.status).toBe(303)
    expect(no.location?.startsWith(`${appUri}?error=access_denied&`)).toBe(true)
    expect([no.query.get('state'), no.query.get('iss')]).toEqual(['a state', issuer])
    expect((await browser.answer(page)).status).toBe(400)
  })

  test.each([
    ['without the token of the form', { csrf: '' }, {}, 'wrong_form_token'],
    ['with another token', { csrf: 'A'.repeat(43) }, {}, 'wrong_form_token'],
    ['from another origin', {}, { Origin: 'https://evil.example' }, 'foreign_origin'],
    ['from nowhere', {}, { Origin: 'null' }, 'foreign_origin'],
    ['from another site', {}, { 'Sec-Fetch-Site': 'cross-site' }, 'foreign_origin'],
    ['from a sister host', {}, { 'Sec-Fetch-Site': 'same-site' }, 'foreign_origin'],
  ])('counts for nothing %s', async (_, fields, headers, reason) => {
    const { browser, page } = await ask('usr_alice', asked)
    const all = { ...fieldsOf(page.text), decision: 'allow', ...fields }
    const forged = await browser.post('/consent', all, headers)
    expect([forged.status, forged.location]).toEqual([403, undefined])
    expect(lastReason()).toBe(reason)
    expect((await browser.answer(page)).query.has('code')).toBe(true)
  })

  test("counts for nothing in another session, and with another session's token", async () => {
    const mine = await ask('usr_alice', asked)
    const other = await ask('usr_alice.2', asked)
    const bob = await ask('usr_bob', asked)
    const { csrf } = fieldsOf(mine.page.text)
    for (const { browser, page } of [other, bob]) {
      const stolen = { request: fieldsOf(mine.page.text).request ?? '' }
      expect((await browser.answer(page, stolen)).status).toBe(400)
      expect((await browser.answer(page, { csrf: csrf ?? '' })).status).toBe(403)
    }
    expect((await mine.browser.answer(mine.page)).query.has('code')).toBe(true)
  })

  test('cannot be given to a request that somebody else has begun for one', async () => {
    const attacker = openBrowser(server)
    const begun = await attacker.authorize(authorizeQuery(createPKCE(), asked))
    const returnTo = begun.query.get('return_to') ?? ''
    const secret = new URLSearchParams(returnTo.split('?')[1]).get('continue') ?? ''
    const victim = openBrowser(server, 'usr_alice')
    const page = await victim.get(returnTo)
    expect(page.status).toBe(200)
    // What the attacker knows is the secret of the request. It is not enough to press the button.
    const forged = await victim.post('/consent', { request: secret, decision: 'allow' })
    expect([forged.status, forged.location]).toEqual([403, undefined])
    attacker.signInAs('usr_bob')
    expect((await attacker.get(returnTo)).status).toBe(400)
  })

  test.each([
    ['neither yes nor no', { decision: 'maybe' }],
    ['nothing', { decision: '' }],
    ['another organization', { tenant_id: 'globex' }],
    ['an unknown organization', { tenant_id: 'nobody' }],
    ['an unknown request', { request: 'ar_unknown' }],
    ['no request', { request: '' }],
  ])('that says %s is refused on a page', async (_, fields) => {
    const { browser, page } = await ask('usr_alice', asked)
    const answer = await browser.answer(page, fields)
    expect([answer.status, answer.location]).toEqual([400, undefined])
  })

  test('comes too late after half an hour', async () => {
    const { browser, page } = await ask('usr_alice', asked)
    server.clock.advance(1800)
    expect((await browser.answer(page)).status).toBe(400)
  })

  test('of who has signed out meanwhile leads to sign-in, and on from there', async () => {
    const { browser, page } = await ask('usr_alice', asked)
    browser.signInAs(undefined)
    const answer = await browser.answer(page)
    expect(answer.location?.startsWith('/sign-in?')).toBe(true)
    browser.signInAs('usr_alice')
    const again = await browser.get(answer.query.get('return_to') ?? '')
    expect((await browser.answer(again)).query.has('code')).toBe(true)
  })

  test('of who had to prove who they are is asked for it again when it was too long ago', async () => {
    server.people.signIn('usr_alice')
    const { browser, page } = await ask('usr_alice', { ...asked, max_age: '60' })
    server.clock.advance(120)
    expect((await browser.answer(page)).query.has('code')).toBe(true)
  })

  test('goes to a client that is still there', async () => {
    const { browser, page } = await ask('usr_alice', { client_id: 'conf2', ...asked })
    const set = (off: boolean) =>
      server.database.write(`update clients set disabled = $1 where client_id = 'conf2'`, [off])
    await set(true)
    expect((await browser.answer(page)).status).toBe(400)
    await set(false)
    expect((await browser.answer(page)).query.has('code')).toBe(true)
  })
})

describe('the limits of a person', () => {
  const limitsOf = async (consent: Record<string, string>) => {
    const got = await getCode(server, { query: agent, consent })
    const claims = decode((await redeem(server, got)).body.access_token)
    return claims.agent_limits as Record<string, unknown>
  }

  test('stand in the token', async () => {
    const limits = { cost_budget_usd: '2.50', requests_per_hour: '40', may_delegate: 'yes' }
    expect(await limitsOf(limits)).toEqual({
      cost_budget_usd: 2.5,
      requests_per_hour: 40,
      allowed_actions: ['docs.*', 'mail.send'],
    })
    expect(await limitsOf({ cost_budget_usd: '$ 0' })).toMatchObject({ cost_budget_usd: 0 })
  })

  test("are never above the agent's own", async () => {
    expect(await limitsOf({ cost_budget_usd: '1000' })).toMatchObject({ cost_budget_usd: 50 })
  })

  test.each([
    ['cost_budget_usd', ''],
    ['cost_budget_usd', 'a lot'],
    ['cost_budget_usd', '-1'],
    ['cost_budget_usd', '1e3'],
    ['cost_budget_usd', '0.0000001'],
    ['cost_budget_usd', 'NaN'],
    ['requests_per_hour', '-1'],
    ['requests_per_hour', '1.5'],
    ['requests_per_hour', '99999999999'],
    ['expires_in_days', '2'],
    ['expires_in_days', ''],
    ['expires_in_days', '36500'],
  ])('with the %s %j are asked for again, and nothing is lost', async (name, value) => {
    const { browser, page } = await ask('usr_alice', agent)
    const again = await browser.answer(page, { requests_per_hour: '7', [name]: value })
    expect(again.status).toBe(400)
    expect(again.text).toContain('class="fault"')
    if (name !== 'requests_per_hour') expect(again.text).toContain('value="7"')
    expect((await browser.answer(again, { [name]: '1' })).query.has('code')).toBe(true)
  })

  test('hold at the ledger, and what is spent stays spent when they are set anew', async () => {
    const spend = async (token: string, amount_usd: string) => {
      const charge = { token, amount_usd, action: 'docs.read' }
      const { status, body } = await server.ledger('docs-server', '/reservations', charge)
      if (status === 201) {
        const settled = `/reservations/${body.id}/settle`
        await server.ledger('docs-server', settled, { amount_usd })
      }
      return [status, body.limited_by]
    }
    const tokens = (cap: string) =>
      getTokens(server, { person: 'usr_bob', query: agent, consent: { cost_budget_usd: cap } })
    const first = await tokens('2')
    expect(await spend(first.access_token, '1.50')).toEqual([201, undefined])
    const [status, limitedBy] = await spend(first.access_token, '1')
    expect([status, limitedBy]).toEqual([402, expect.stringMatching(/^consent:cns_/)])
    const same = await tokens('2')
    expect((await spend(same.access_token, '1'))[0]).toBe(402)
    const { page } = await ask('usr_bob', agent)
    expect(page.text).toContain('So far it has spent 1.5, which counts.')
    const more = await tokens('3')
    expect((await spend(more.access_token, '1'))[0]).toBe(201)
    expect((await spend(first.access_token, '1'))[0]).toBe(402)
  })
})

describe('a yes', () => {
  const again = async (person: string, query: Query = {}) => (await ask(person, query)).page

  test('is remembered for the client, the resource and the scope', async () => {
    await getCode(server, { person: 'usr_bob.2', query: { ...asked, scope: 'docs:read' } })
    for (const prompt of [undefined, 'none']) {
      const page = await again('usr_bob.3', { prompt })
      expect([page.status, page.query.has('code')]).toEqual([303, true])
    }
    expect((await again('usr_bob', { scope: 'docs:read docs:write' })).text).toContain('docs:write')
    const other = await again('usr_bob', { resource: mail, scope: 'mail:send' })
    expect(other.status).toBe(200)
    expect((await again('usr_bob', { scope: 'openid docs:read' })).status).toBe(200)
  })

  describe('to an agent', () => {
    const agreed = {
      cost_budget_usd: 50,
      requests_per_hour: 100,
      max_cost_per_action_usd: 2,
      max_delegation_depth: 1,
      allowed_actions: ['docs.*', 'mail.send'],
    }
    const query = { client_id: 'assistant', scope: 'docs:read' }
    const setLimits = (limits: object) =>
      server.database.write(
        "update clients set agent_limits = $1::text::jsonb where client_id = 'assistant'",
        [JSON.stringify(limits)],
      )
    const isAsked = async (more: Query = {}) =>
      (await again('usr_alice.9', { ...query, ...more })).status === 200
    const agree = () =>
      getTokens(server, {
        query: { ...query, ...asked },
        consent: { cost_budget_usd: '2', requests_per_hour: '100', may_delegate: 'yes' },
      })

    test.each([
      ['more money', { cost_budget_usd: 51 }],
      ['money without an end', { cost_budget_usd: undefined }],
      ['more requests', { requests_per_hour: 101 }],
      ['more for one action', { max_cost_per_action_usd: 2.5 }],
      ['another hop', { max_delegation_depth: 2 }],
      ['another action', { allowed_actions: ['docs.*', 'mail.*'] }],
      ['every action', { allowed_actions: undefined }],
    ])('is asked for again when it may have %s', async (_, more) => {
      await setLimits(agreed)
      const { access_token } = await agree()
      expect(await isAsked()).toBe(false)
      await setLimits({ ...agreed, ...more })
      expect(await isAsked()).toBe(true)
      const silent = await again('usr_alice.9', { ...query, prompt: 'none' })
      expect(silent.query.get('error')).toBe('consent_required')
      // What the person has given is what it was, until they say something else.
      const { body } = await server.introspect('docs-server', access_token)
      expect(body.agent_limits).toEqual({ ...agreed, cost_budget_usd: 2 })
      expect(body.agent_budget).toMatchObject({ remaining_usd: '2' })
      await agree()
      expect(await isAsked()).toBe(false)
    })

    test('is remembered when it may have less, or the same in other words', async () => {
      await setLimits(agreed)
      await agree()
      await setLimits({ ...agreed, cost_budget_usd: '49', allowed_actions: ['docs.read'] })
      expect(await isAsked()).toBe(false)
      await setLimits({ ...agreed, cost_budget_usd: '50.000000' })
      expect(await isAsked()).toBe(false)
    })

    test('gives a request that names limits none of them', async () => {
      await setLimits(agreed)
      await agree()
      const wish = {
        cost_budget_usd: '1000',
        agent_limits: '{"cost_budget_usd":1000}',
        authorization_details: '[{"type":"agent_limits","cost_budget_usd":1000}]',
      }
      const got = await getCode(server, { query: { ...query, ...wish } })
      const { access_token } = (await redeem(server, got, wish)).body
      expect(decode(access_token).agent_limits).toMatchObject({ cost_budget_usd: 2 })
      const { page } = await ask('usr_alice', { ...agent, ...wish })
      expect(page.text).toMatch(/name="cost_budget_usd"[^>]*value="2"/)
      expect(page.text).not.toContain('1000')
    })
  })

  test('to a program on the own machine is for that once: any other could have its name', async () => {
    const native = { client_id: 'native', redirect_uri: nativeUri }
    expect((await getCode(server, { person: 'usr_alice', query: native })).code).not.toBe('')
    for (const redirect_uri of [nativeUri, 'http://127.0.0.1:9999/cb', 'http://[::1]:9999/cb']) {
      const page = await again('usr_alice', { ...native, redirect_uri })
      expect([page.status, page.query.has('code')]).toEqual([200, false])
      const silent = await again('usr_alice', { ...native, redirect_uri, prompt: 'none' })
      expect([silent.query.get('error'), silent.query.has('code')]).toEqual([
        'consent_required',
        false,
      ])
    }
  })

  test('for one resource is none for another, even of the same word', async () => {
    const tools = 'http://127.0.0.1:4400/mcp'
    await server.database.write(
      `insert into resources (resource, scopes_supported) values ($1, '{docs:read,docs:write}')`,
      [tools],
    )
    const yes = (query: Query) => getCode(server, { person: 'usr_alice', query })
    await yes({ scope: 'docs:read', resource: docs })
    await yes({ scope: 'docs:read', resource: tools })
    await yes({ scope: 'docs:read docs:write', resource: tools })
    expect((await again('usr_alice', { scope: 'docs:write', resource: tools })).status).toBe(303)
    expect((await again('usr_alice', { scope: 'docs:write', resource: docs })).status).toBe(200)
  })

  test('for one client is none for another of the same name and host', async () => {
    await getCode(server, { person: 'usr_alice' })
    const twin = { client_id: 'twin', redirect_uri: 'https://app.example.test/other' }
    const page = await again('usr_alice', twin)
    expect([page.status, page.query.has('code')]).toEqual([200, false])
    expect((await again('usr_alice', { ...twin, prompt: 'none' })).query.get('error')).toBe(
      'consent_required',
    )
  })

  test('of one person is none of another', async () => {
    await getCode(server, { person: 'usr_alice', query: { client_id: 'conf' } })
    expect((await again('usr_alice', { client_id: 'conf' })).status).toBe(303)
    expect((await again('usr_bob', { client_id: 'conf' })).status).toBe(200)
  })

  test('is for the organization that was chosen', async () => {
    const query = { resource: mail, scope: 'mail:send', client_id: 'roamer' }
    const { browser, page } = await ask('usr_bob', query)
    expect(page.text.match(/type="radio" name="tenant_id"/g)).toHaveLength(2)
    expect((await browser.answer(page)).status).toBe(400)
    const pkce = createPKCE()
    const second = await browser.authorize(authorizeQuery(pkce, query))
    const answer = await browser.answer(second, { tenant_id: 'globex' })
    const got = { code: answer.query.get('code') ?? '', pkce, clientId: 'roamer' }
    const token = await redeem(server, {
      ...got,
      redirectUri: appUri,
      answer,
      asked: true,
      browser,
    })
    expect(decode(token.body.access_token)).toMatchObject({ tenant_id: 'globex', aud: mail })
    // Which one is meant is not clear the next time either, unless they have chosen one.
    expect((await again('usr_bob', query)).status).toBe(200)
    const bob = server.people.who('usr_bob')
    bob.activeTenantId = 'globex'
    expect((await again('usr_bob', query)).status).toBe(303)
    bob.activeTenantId = 'acme'
    expect((await again('usr_bob', query)).status).toBe(200)
    bob.activeTenantId = undefined
    const there = { ...query, resource: otherTenantDocs, scope: 'docs:read' }
    expect((await again('usr_bob', there)).text).toContain('Globex')
    expect((await again('usr_alice', there)).query.get('error')).toBe('access_denied')
  })

  test('of who belongs nowhere is enough for what is open to all', async () => {
    const query = { resource: mail, scope: 'mail:send' }
    const { access_token } = await getTokens(server, { person: 'usr_carol', query })
    expect(decode(access_token)).not.toHaveProperty('tenant_id')
    expect(decode(access_token)).toMatchObject({ sub: 'usr_carol', organization_ids: [] })
  })

  test('ends with the day that the person has set', async () => {
    const query = { client_id: 'assistant' }
    const consent = { expires_in_days: '7' }
    await getCode(server, { person: 'usr_alice', query: agent, consent })
    server.clock.advance(7 * 86_400 - 1)
    expect((await again('usr_alice', query)).status).toBe(303)
    server.clock.advance(1)
    expect((await again('usr_alice', query)).status).toBe(200)
    const { asked: wasAsked } = await getCode(server, { person: 'usr_alice', query, consent })
    expect(wasAsked).toBe(true)
    expect((await again('usr_alice', query)).status).toBe(303)
  })

  test('given twice at once is one consent', async () => {
    const pages = await Promise.all(
      Array.from({ length: 6 }, () =>
        ask('usr_carol', { resource: mail, scope: 'openid mail:send', ...asked }),
      ),
    )
    const answers = await Promise.all(pages.map(({ browser, page }) => browser.answer(page)))
    for (const { query } of answers) expect(query.has('code')).toBe(true)
    const rows = await server.database.read(
      `select count(*)::int as n from consents where subject = 'usr_carol' and revoked_at is null`,
      [],
    )
    expect(rows[0]?.n).toBe(1)
  })
})
