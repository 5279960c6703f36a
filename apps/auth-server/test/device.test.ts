/** A device gets in by the yes of a person on another machine, once. RFC 8628. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openBrowser, openPeopleServer, type PeopleServer } from './browser.js'
import {
  answer,
  deviceConfig,
  deviceGrant,
  letIn,
  poll,
  refreshDevice,
  startDevice,
  takeBack,
  typeCode,
} from './device-fixtures.js'
import { decode, docs, issuer, mail, openTestServer } from './harness.js'

let server: PeopleServer
beforeAll(async () => {
  server = await openPeopleServer({ config: deviceConfig })
})
afterAll(() => server.close())

const refusalOf = ({ status, body }: { status: number; body: object }) => ({ status, ...body })

const expectPending = async (device_code: string, clientId = 'cli') => {
  server.clock.advance(5)
  const { status, body } = await poll(server, device_code, clientId)
  expect([status, body.error]).toEqual([400, 'authorization_pending'])
}

describe('the device authorization endpoint', () => {
  test('answers a public client with both codes and where to type one in', async () => {
    const { status, headers, body } = await startDevice(server)
    expect(status).toBe(200)
    expect(headers.get('cache-control')).toBe('no-store')
    expect(body).toEqual({
      device_code: expect.stringMatching(/^dc_[A-Za-z0-9_-]{43}$/),
      user_code: expect.stringMatching(/^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$/),
      verification_uri: `${issuer}/device`,
      verification_uri_complete: `${issuer}/device?user_code=${body.user_code}`,
      expires_in: 600,
      interval: 5,
    })
  })

  test('keeps neither code where somebody could read it', async () => {
    const { body } = await startDevice(server)
    const rows = await server.database.read('select * from device_codes', [])
    const text = JSON.stringify(rows) + server.log.join('')
    for (const secret of [body.device_code, body.user_code, body.user_code.replace('-', '')]) {
      expect(text).not.toContain(secret)
    }
  })

  test('asks for the authentication that the client is registered with', async () => {
    const fields = { scope: 'docs:read', resource: docs }
    const anonymous = await server.post('/device_authorization', fields, {})
    const withoutSecret = await server.post(
      '/device_authorization',
      { client_id: 'tv', ...fields },
      {},
    )
    expect([anonymous.status, withoutSecret.status]).toEqual([401, 401])
    expect((await startDevice(server, 'tv')).status).toBe(200)
  })

  test.each([
    ['pub', { scope: 'docs:read', resource: docs }, 'unauthorized_client'],
    ['cli', { scope: 'admin', resource: docs }, 'invalid_scope'],
    ['cli', { scope: 'docs:read docs:read  x', resource: docs }, 'invalid_scope'],
    ['cli', { scope: 'docs:read', resource: 'https://unknown.example' }, 'invalid_target'],
    ['headless', { scope: 'docs:read', resource: 'http://127.0.0.1:4300/mcp' }, 'invalid_target'],
    ['cli', { scope: 'docs:read', resource: 'no uri' }, 'invalid_target'],
    ['cli', { scope: ['docs:read', 'docs:write'], resource: docs }, 'invalid_request'],
  ])('refuses %s with %o', async (clientId, fields, error) => {
    const { status, body } = await startDevice(server, clientId, fields)
    expect([status, body.error]).toEqual([400, error])
  })

  test('refuses an address that asks without end, and a client for which too many wait', async () => {
    const env = { incoming: { socket: { remoteAddress: '203.0.113.7' } } }
    const ask = () =>
      server.app.request(
        `${issuer}/device_authorization`,
        { method: 'POST', body: new URLSearchParams({ client_id: 'cli', scope: 'nope' }) },
        env,
      )
    for (let n = 0; n < 120; n += 1) expect((await ask()).status).toBe(400)
    const refused = await ask()
    expect(refused.status).toBe(429)
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)

    await server.database.write(
      `insert into device_codes (device_code_hash, user_code_hash, client_id, scope, resources,
         created_at, expires_at, interval)
       select 'd' || n, 'u' || n, 'tv', '{}', '{}', $1::text::timestamptz,
         $1::text::timestamptz + interval '10 minutes', 5
       from generate_series(1, 10000) as n`,
      [server.clock.now().toISOString()],
    )
    const full = await startDevice(server, 'tv')
    expect([full.status, full.body.error_detail]).toEqual([503, 'too_many_device_codes'])
    expect((await startDevice(server)).status).toBe(200)
    await server.database.write(`delete from device_codes where client_id = $1`, ['tv'])
  })

  test('takes nothing but a form by POST', async () => {
    const got = await server.request('/device_authorization?client_id=cli')
    expect([got.status, got.headers.get('allow')]).toEqual([405, 'POST'])
  })
})

describe('a person', () => {
  test('has to be signed in, and comes back with the code', async () => {
    const { body } = await startDevice(server)
    const nobody = openBrowser(server)
    const { status, location } = await nobody.get(`/device?user_code=${body.user_code}`)
    expect(status).toBe(303)
    const target = new URL(location ?? '', issuer)
    expect([target.pathname, target.searchParams.get('return_to')]).toEqual([
      '/sign-in',
      `/device?user_code=${body.user_code}`,
    ])
    const evil = await nobody.get('/device?user_code=https://evil.example')
    expect(new URL(evil.location ?? '', issuer).searchParams.get('return_to')).toBe('/device')
  })

  test('types the code as people do, and sees who asks, for what, and the code again', async () => {
    const { body } = await startDevice(server, 'cli', { scope: 'openid docs:read', resource: docs })
    const typed = ` ${body.user_code.toLowerCase().replace('-', ' ')}`
    const { status, text } = await typeCode(openBrowser(server, 'usr_alice'), typed)
    expect(status).toBe(200)
    expect(text).toContain('Command &lt;i&gt;Line&lt;/i&gt;')
    expect(text).toContain('Read your documents')
    expect(text).toContain(docs)
    expect(text).toContain(`<strong>${body.user_code}</strong>`)
    expect(text).toContain('alice@acme.test')
    await expectPending(body.device_code)
  })

  test('agrees, and the device gets tokens of theirs', async () => {
    const fields = { scope: 'openid email docs:read', resource: docs }
    const { device_code, done } = await letIn(server, 'cli', fields)
    expect(done.text).toContain('Your device is let in')
    const { status, headers, body } = await poll(server, device_code)
    expect(status).toBe(200)
    expect(headers.get('cache-control')).toBe('no-store')
    expect(body).toMatchObject({ token_type: 'Bearer', scope: 'openid email docs:read' })
    expect(decode(body.access_token)).toMatchObject({
      sub: 'usr_alice',
      client_id: 'cli',
      aud: [docs, issuer],
      tenant_id: 'acme',
      role: 'user',
    })
    expect(decode(body.id_token ?? '')).toMatchObject({
      sub: 'usr_alice',
      aud: 'cli',
      email: 'alice@acme.test',
      at_hash: expect.any(String),
    })
    const again = await refreshDevice(server, body.refresh_token ?? '')
    expect(again.status).toBe(200)
  })

  test('sets limits for an agent, which then acts for them', async () => {
    const { body } = await startDevice(server, 'headless', { resource: docs, scope: 'docs:read' })
    const browser = openBrowser(server, 'usr_alice')
    const question = await typeCode(browser, body.user_code)
    expect(question.text).toContain('cost_budget_usd')
    const wrong = await answer(browser, question, 'allow', { cost_budget_usd: 'a lot' })
    expect([wrong.status, wrong.text.includes('cost_budget_usd')]).toEqual([400, true])
    await expectPending(body.device_code, 'headless')
    const done = await answer(browser, wrong, 'allow', { cost_budget_usd: '2' })
    expect(done.status).toBe(200)
    const tokens = await poll(server, body.device_code, 'headless')
    expect(decode(tokens.body.access_token)).toMatchObject({
      sub: 'usr_alice',
      role: 'agent',
      act: { sub: 'headless', sub_profile: 'ai_agent' },
      agent_limits: { cost_budget_usd: 2, allowed_actions: ['docs.*'] },
    })
  })

  test('says no, and the device is told so, now and later', async () => {
    const { body } = await startDevice(server)
    const browser = openBrowser(server, 'usr_alice')
    const done = await answer(browser, await typeCode(browser, body.user_code), 'deny')
    expect(done.text).toContain('Your device stays out')
    for (const _ of ['now', 'later']) {
      server.clock.advance(5)
      expect(refusalOf(await poll(server, body.device_code))).toMatchObject({
        status: 400,
        error: 'access_denied',
        error_detail: 'consent_denied',
      })
    }
  })

  test('who is no member of the organization cannot agree', async () => {
    const { body } = await startDevice(server)
    const page = await typeCode(openBrowser(server, 'usr_carol'), body.user_code)
    expect(page.status).toBe(403)
    await expectPending(body.device_code)
  })
})

describe('a device that asks', () => {
  test('too soon has to wait five seconds longer, each time', async () => {
    const { body } = await startDevice(server)
    const ask = async (seconds: number) => {
      server.clock.advance(seconds)
      return (await poll(server, body.device_code)).body.error
    }
    expect(await ask(0)).toBe('authorization_pending')
    expect(await ask(1)).toBe('slow_down')
    expect(await ask(5)).toBe('slow_down')
    expect(await ask(15)).toBe('authorization_pending')
  })

  test('after ten minutes is told that its code has expired', async () => {
    const { body } = await startDevice(server)
    server.clock.advance(599)
    expect((await poll(server, body.device_code)).body.error).toBe('authorization_pending')
    server.clock.advance(1)
    const late = await poll(server, body.device_code)
    expect([late.status, late.body.error]).toEqual([400, 'expired_token'])
    const page = await typeCode(openBrowser(server, 'usr_alice'), body.user_code)
    expect([page.status, page.text.includes('not known here')]).toEqual([400, true])
  })

  test('after ten minutes gets nothing, even if the person has agreed', async () => {
    const { device_code } = await letIn(server)
    server.clock.advance(600)
    expect((await poll(server, device_code)).body.error).toBe('expired_token')
  })

  test('gets its tokens once; a second time ends what it got', async () => {
    const { device_code } = await letIn(server)
    const { body } = await poll(server, device_code)
    expect((await server.introspect('docs-server', body.access_token)).body.active).toBe(true)
    expect(refusalOf(await poll(server, device_code))).toMatchObject({
      status: 400,
      error: 'invalid_grant',
      error_detail: 'code_replayed',
    })
    expect((await server.introspect('docs-server', body.access_token)).body.active).toBe(false)
    expect((await refreshDevice(server, body.refresh_token ?? '')).status).toBe(400)
  })

  test('many times at once gets them once', async () => {
    const { device_code } = await letIn(server)
    const answers = await Promise.all(Array.from({ length: 16 }, () => poll(server, device_code)))
    const statuses = answers.map(({ status }) => status).sort()
    expect(statuses).toEqual([200, ...Array(15).fill(400)])
    const winner = answers.find(({ status }) => status === 200)?.body.access_token ?? ''
    expect((await server.introspect('docs-server', winner)).body.active).toBe(false)
  })

  test("with another client's code learns nothing, and does it no harm", async () => {
    const { device_code } = await letIn(server)
    for (const [thief, code] of [
      ['cli2', device_code],
      ['tv', device_code],
      ['cli', 'dc_made-up'],
      ['cli', device_code.toUpperCase()],
    ] as const) {
      expect(refusalOf(await poll(server, code, thief))).toMatchObject({
        status: 400,
        error: 'invalid_grant',
        error_detail: 'unknown_device_code',
      })
    }
    expect((await poll(server, device_code)).status).toBe(200)
  })

  test('cannot use its code as an authorization code', async () => {
    const { device_code } = await letIn(server, 'cli')
    for (const more of [{}, { redirect_uri: '' }, { redirect_uri: `${issuer}/device` }]) {
      for (const code_verifier of ['', 'v'.repeat(43)]) {
        const fields = { client_id: 'cli', grant_type: 'authorization_code', code: device_code }
        const { status } = await server.post('/token', { ...fields, code_verifier, ...more }, {})
        expect(status).toBe(400)
      }
    }
    expect((await poll(server, device_code)).status).toBe(200)
  })

  test('without a code, or with two, is refused', async () => {
    for (const device_code of [[], '', ['dc_a', 'dc_b']] as const) {
      const fields = {
        client_id: 'cli',
        grant_type: deviceGrant,
        device_code: [device_code].flat(),
      }
      const { status, body } = await server.post<{ error: string }>('/token', fields, {})
      expect([status, body.error]).toEqual([400, 'invalid_request'])
    }
  })

  test('may ask for less than was agreed to, never for more', async () => {
    const fields = { scope: 'docs:read docs:write', resource: docs }
    const one = await letIn(server, 'cli', fields)
    const wider = await poll(server, one.device_code, 'cli', { scope: 'docs:read email' })
    expect([wider.status, wider.body.error]).toEqual([400, 'invalid_scope'])
    const elsewhere = await poll(server, one.device_code, 'cli', { resource: mail })
    expect([elsewhere.status, elsewhere.body.error]).toEqual([400, 'invalid_target'])
    const less = await poll(server, one.device_code, 'cli', { scope: 'docs:read' })
    expect([less.status, less.body.scope]).toEqual([200, 'docs:read'])
  })
})

describe('what was agreed to', () => {
  test('is remembered with the other consents, and taking it back ends it', async () => {
    const { device_code } = await letIn(server)
    const { body } = await poll(server, device_code)
    expect(await takeBack(server, 'cli')).toBe(true)
    expect((await server.introspect('docs-server', body.access_token)).body.active).toBe(false)
  })

  test('is worth nothing when it was taken back before the device came', async () => {
    const { device_code } = await letIn(server)
    expect(await takeBack(server, 'cli')).toBe(true)
    expect((await poll(server, device_code)).body.error).toBe('invalid_grant')
  })

  test('is worth nothing for a person who is switched off meanwhile', async () => {
    const { device_code } = await letIn(server)
    server.people.who('usr_alice').person.disabled = true
    expect((await poll(server, device_code)).body.error).toBe('invalid_grant')
    server.people.who('usr_alice').person.disabled = false
  })

  test('stands when the server is started again, and holds for every server of the database', async () => {
    const { device_code } = await letIn(server)
    const other = await openTestServer({
      config: deviceConfig,
      database: server.database,
      clock: server.clock,
      people: server.people,
    })
    const twin = { ...other, people: server.people }
    expect((await poll(twin, device_code)).body).toMatchObject({ token_type: 'Bearer' })
    expect((await poll(server, device_code)).status).toBe(400)
  })
})
