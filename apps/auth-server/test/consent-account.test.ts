/** What may act for somebody, on one page, and taking it back. Exchange from a person's token. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  type GetCodeOptions,
  getCode,
  getTokens,
  openBrowser,
  openPeopleServer,
  type PageAnswer,
  type PeopleServer,
  redeem,
  refresh,
} from './browser.js'
import { decode, docs, issuer, mail } from './harness.js'

let server: PeopleServer
beforeAll(async () => {
  server = await openPeopleServer()
})
afterAll(() => server.close())

const agent: GetCodeOptions = {
  query: { client_id: 'assistant', prompt: 'consent' },
  consent: { cost_budget_usd: '2', may_delegate: 'yes' },
}

const isActive = async (token: string): Promise<unknown> =>
  (await server.introspect('docs-server', token)).body.active

const lineageOf = (token: string): string[] => decode(token).agent_lineage as string[]

const handOn = async (token: string, fields: Record<string, string> = {}) => {
  const handOff = await server.exchange('assistant', token, {
    requested_actor: 'helper',
    ...fields,
  })
  return server.exchange('helper', handOff.body.access_token)
}

const consentIn = async (page: PageAnswer, name: string): Promise<Record<string, string>> => {
  const forms = [...page.text.matchAll(/<form[\s\S]*?<\/form>/g)].map(([form]) => form)
  const form = forms.find((one) => one.includes(`Take back everything from ${name}`)) ?? ''
  const value = (field: string) =>
    new RegExp(`name="${field}" value="([^"]*)"`).exec(form)?.[1] ?? ''
  return { csrf: value('csrf'), consent_id: value('consent_id') }
}

describe('the page', () => {
  test('needs somebody who has signed in', async () => {
    const answer = await openBrowser(server).get('/account')
    expect(answer.status).toBe(303)
    expect(answer.location).toBe('/sign-in?return_to=%2Faccount')
  })

  test('says that nothing acts, where nothing does', async () => {
    const page = await openBrowser(server, 'usr_carol').get('/account')
    expect(page.status).toBe(200)
    expect(page.text).toContain('Nothing may act for you')
  })

  test('lists what was agreed to, what is going on, and what it has cost', async () => {
    const { access_token } = await getTokens(server, agent)
    const helper = await handOn(access_token)
    const charge = { token: helper.body.access_token, amount_usd: '0.75', action: 'docs.read' }
    const { body } = await server.ledger('docs-server', '/reservations', charge)
    const settled = `/reservations/${body.id}/settle`
    await server.ledger('docs-server', settled, { amount_usd: '0.75' })
    const page = await openBrowser(server, 'usr_alice').get('/account')
    for (const words of ['Assistant', 'Acme', docs, 'docs:read', '0.75 of 2 USD']) {
      expect(page.text).toContain(words)
    }
    expect(page.text).toContain('helper, asked by assistant')
    expect(page.text).toContain('2026-12-21')
    expect(page.headers.get('content-security-policy')).toContain("frame-ancestors 'none'")
    expect((await openBrowser(server, 'usr_bob').get('/account')).text).not.toContain('Assistant')
  })
})

describe('taking it back', () => {
  test('ends all that was given, everywhere, and the client has to ask again', async () => {
    const first = await getTokens(server, agent)
    const second = await getTokens(server, { query: { client_id: 'assistant' } })
    const helper = await handOn(first.access_token)
    const late = await getCode(server, { query: { client_id: 'assistant' } })
    const browser = openBrowser(server, 'usr_alice')
    const fields = await consentIn(await browser.get('/account'), 'Assistant')
    const done = await browser.post('/account/revoke', fields)
    expect([done.status, done.location]).toEqual([303, '/account?notice=done'])
    const page = await browser.get('/account?notice=done')
    expect(page.text).toContain('Taken back')
    expect(page.text).not.toContain('Assistant')
    for (const token of [first.access_token, second.access_token, helper.body.access_token]) {
      expect(await isActive(token)).toBe(false)
    }
    expect((await server.exchange('assistant', first.access_token)).body.error).toBe(
      'invalid_request',
    )
    for (const one of [first, second]) {
      const { body } = await refresh(server, 'assistant', one.refresh_token)
      expect(body.error).toBe('invalid_grant')
    }
    expect((await redeem(server, late)).body.error).toBe('invalid_grant')
    const feed = await server.deps.store.revocations.after(0n, server.clock.now())
    const told = feed.revoked.map(({ id }) => id)
    expect(told).toContain(lineageOf(first.access_token)[0])
    expect(told).toContain(lineageOf(second.access_token)[0])
    expect((await getCode(server, { query: { client_id: 'assistant' } })).asked).toBe(true)
    expect((await browser.post('/account/revoke', fields)).location).toBe('/account?notice=gone')
  })

  test('of one connection leaves the others', async () => {
    const first = await getTokens(server, agent)
    const second = await getTokens(server, { query: { client_id: 'assistant' } })
    const browser = openBrowser(server, 'usr_alice')
    const { csrf = '' } = await consentIn(await browser.get('/account'), 'Assistant')
    const delegation_id = lineageOf(first.access_token)[1] ?? ''
    const done = await browser.post('/account/revoke', { csrf, delegation_id })
    expect(done.location).toBe('/account?notice=done')
    expect(await isActive(first.access_token)).toBe(false)
    expect(await isActive(second.access_token)).toBe(true)
    expect((await browser.post('/account/revoke', { csrf, delegation_id })).location).toBe(
      '/account?notice=gone',
    )
  })

  test.each([
    ['with a forged token', { csrf: 'A'.repeat(43) }, {}, 403],
    ['without a token', { csrf: '' }, {}, 403],
    ['from another origin', {}, { Origin: 'https://evil.example' }, 403],
    ['of nothing', { consent_id: '' }, {}, 400],
  ])('is refused %s', async (_, more, headers, status) => {
    const { access_token } = await getTokens(server, agent)
    const browser = openBrowser(server, 'usr_alice')
    const fields = await consentIn(await browser.get('/account'), 'Assistant')
    const answer = await browser.post('/account/revoke', { ...fields, ...more }, headers)
    expect(answer.status).toBe(status)
    expect(await isActive(access_token)).toBe(true)
  })

  test('is for the one whose it is', async () => {
    const { access_token } = await getTokens(server, agent)
    const alice = await consentIn(
      await openBrowser(server, 'usr_alice').get('/account'),
      'Assistant',
    )
    await getTokens(server, { person: 'usr_bob' })
    const browser = openBrowser(server, 'usr_bob')
    const { csrf = '' } = await consentIn(await browser.get('/account'), 'Public App')
    for (const target of [
      { consent_id: alice.consent_id ?? '' },
      { delegation_id: lineageOf(access_token)[1] ?? '' },
      { consent_id: 'cns_unknown' },
      { delegation_id: 'dlg_unknown' },
    ]) {
      const answer = await browser.post('/account/revoke', { csrf, ...target })
      expect(answer.location).toBe('/account?notice=gone')
    }
    expect(await isActive(access_token)).toBe(true)
  })

  test('by an administrator ends the consent as well', async () => {
    const { access_token } = await getTokens(server, agent)
    const target = { subject: 'usr_alice' }
    const { status } = await server.api('admin-tool', '/revocations', target)
    expect(status).toBe(200)
    expect(await isActive(access_token)).toBe(false)
    const page = await openBrowser(server, 'usr_alice').get('/account')
    expect(page.text).toContain('Nothing may act for you')
  })

  test('and agreeing again begins at nothing spent', async () => {
    await getTokens(server, agent)
    const page = await openBrowser(server, 'usr_alice').get('/account')
    expect(page.text).toContain('0 of 2 USD')
  })
})

describe("an exchange of a person's token", () => {
  test('keeps the person as its subject, names who acts, and narrows', async () => {
    const { access_token } = await getTokens(server, agent)
    const helper = await handOn(access_token, {
      agent_limits: JSON.stringify({ cost_budget_usd: '0.5' }),
    })
    expect(decode(helper.body.access_token)).toMatchObject({
      sub: 'usr_alice',
      client_id: 'helper',
      tenant_id: 'acme',
      scope: 'docs:read',
      act: { sub: 'helper', act: { sub: 'assistant', sub_profile: 'ai_agent' } },
      agent_limits: { cost_budget_usd: 0.5 },
    })
    expect(decode(helper.body.access_token)).not.toHaveProperty('org_role')
    const charge = { token: helper.body.access_token, amount_usd: '0.6', action: 'docs.read' }
    const { status } = await server.ledger('docs-server', '/reservations', charge)
    expect(status).toBe(402)
  })

  test('works with openid too, for its resource alone', async () => {
    const query = { ...agent.query, scope: 'openid docs:read' }
    const { access_token } = await getTokens(server, { ...agent, query })
    expect(decode(access_token).aud).toEqual([docs, issuer])
    const { status, body } = await server.exchange('assistant', access_token)
    expect(status).toBe(200)
    expect(decode(body.access_token)).toMatchObject({ aud: docs, scope: 'docs:read' })
  })

  test('does not happen when the person did not want it', async () => {
    const consent = { cost_budget_usd: '2', may_delegate: 'no' }
    const { access_token } = await getTokens(server, { ...agent, consent })
    const form = { requested_actor: 'helper' }
    const { status, body } = await server.exchange('assistant', access_token, form)
    expect([status, body.error_detail]).toEqual([403, 'max_depth'])
  })

  test('is refused as soon as the person is gone', async () => {
    const { access_token } = await getTokens(server, agent)
    const alice = server.people.who('usr_alice')
    alice.person.disabled = true
    const { body } = await server.exchange('assistant', access_token)
    expect([body.error, body.error_detail]).toEqual([
      'invalid_request',
      'subject_token_party_disabled',
    ])
    expect(await isActive(access_token)).toBe(false)
    alice.person.disabled = false
    expect(await isActive(access_token)).toBe(true)
    const was = alice.memberships.splice(0)
    expect(await isActive(access_token)).toBe(false)
    alice.memberships.push(...was)
  })

  test('is done by a resource server downstream, with an application as with an agent', async () => {
    const query = { scope: 'docs:read mail:send', resource: [docs, mail] }
    const { access_token } = await getTokens(server, { query })
    const refused = await server.exchange('docs-server', access_token, { resource: mail })
    expect(refused.body.error_detail).toBe('delegation_not_permitted')
    const byAgent = await getTokens(server, { ...agent, query: { ...agent.query, ...query } })
    const pulled = await server.exchange('docs-server', byAgent.access_token, { resource: mail })
    expect(decode(pulled.body.access_token)).toMatchObject({
      sub: 'usr_alice',
      aud: mail,
      act: { sub: 'docs-server', act: { sub: 'assistant' } },
    })
  })

  test('of an application that was switched off is refused', async () => {
    const { access_token } = await getTokens(server, { query: { client_id: 'conf' } })
    const set = (off: boolean) =>
      server.database.write(`update clients set disabled = $1 where client_id = 'conf'`, [off])
    await set(true)
    expect(await isActive(access_token)).toBe(false)
    await set(false)
    expect(await isActive(access_token)).toBe(true)
  })

  test('works for an agent that belongs to no organization, by the rules of the person’s', async () => {
    const query = { client_id: 'roamer' }
    const { access_token } = await getTokens(server, { query, consent: { may_delegate: 'yes' } })
    expect(decode(access_token)).toMatchObject({ tenant_id: 'acme', act: { sub: 'roamer' } })
    const form = { requested_actor: 'helper' }
    const handOff = await server.exchange('roamer', access_token, form)
    const { body } = await server.exchange('helper', handOff.body.access_token)
    expect(decode(body.access_token)).toMatchObject({ sub: 'usr_alice', tenant_id: 'acme' })
  })
})
