/** The device page answers for the session that typed the code, and for nobody else. CVE-2026-45337. */

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { attemptsStore } from '../src/store/attempts.js'
import { fieldsOf, openBrowser, openPeopleServer, type PeopleServer } from './browser.js'
import { answer, deviceConfig, letIn, poll, startDevice, typeCode } from './device-fixtures.js'
import { issuer } from './harness.js'

let server: PeopleServer
beforeAll(async () => {
  server = await openPeopleServer({ config: deviceConfig })
})
afterAll(() => server.close())

const pollError = async (device_code: string): Promise<string | undefined> => {
  server.clock.advance(5)
  return (await poll(server, device_code)).body.error
}

const expectUnknown = ({ status, text }: { status: number; text: string }) =>
  expect([status, text.includes('not known here')]).toEqual([400, true])

describe('a code that was typed in', () => {
  test('is unknown to every other session, of the same person too', async () => {
    const { body } = await startDevice(server)
    const alice = openBrowser(server, 'usr_alice')
    const question = await typeCode(alice, body.user_code)
    for (const person of ['usr_bob', 'usr_alice.2']) {
      expectUnknown(await typeCode(openBrowser(server, person), body.user_code))
    }
    expect((await typeCode(alice, body.user_code)).status).toBe(200)
    expect((await answer(alice, question)).status).toBe(200)
    expect(await pollError(body.device_code)).toBeUndefined()
  })

  test('cannot be answered by a session that has not typed it in', async () => {
    const { body } = await startDevice(server)
    await typeCode(openBrowser(server, 'usr_alice'), body.user_code)
    const fresh = await startDevice(server)
    for (const code of [body.user_code, fresh.body.user_code]) {
      for (const decision of ['allow', 'deny'] as const) {
        const mallory = openBrowser(server, 'usr_bob')
        const fields = fieldsOf((await mallory.get('/device')).text)
        const more = { user_code: code, tenant_id: 'acme', decision }
        const done = await mallory.post('/device', { ...fields, ...more })
        expect(done.status).toBe(400)
      }
    }
    expect(await pollError(body.device_code)).toBe('authorization_pending')
    expect(await pollError(fresh.body.device_code)).toBe('authorization_pending')
  })

  test('is answered once: neither yes after no, nor no after yes, nor by anybody else', async () => {
    for (const first of ['allow', 'deny'] as const) {
      const { body } = await startDevice(server)
      const alice = openBrowser(server, 'usr_alice')
      const question = await typeCode(alice, body.user_code)
      await answer(alice, question, first)
      for (const second of ['allow', 'deny'] as const) {
        const again = await answer(alice, question, second)
        expect([again.status, again.text.includes('answered already')]).toEqual([400, true])
      }
      expectUnknown(await typeCode(alice, body.user_code))
      expectUnknown(await typeCode(openBrowser(server, 'usr_bob'), body.user_code))
      expect(await pollError(body.device_code)).toBe(first === 'deny' ? 'access_denied' : undefined)
    }
  })

  test('is answered once by two windows at the same moment', async () => {
    const { body } = await startDevice(server)
    const alice = openBrowser(server, 'usr_alice')
    const question = await typeCode(alice, body.user_code)
    const answers = await Promise.all([1, 2, 3, 4].map(() => answer(alice, question)))
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 400, 400, 400])
    expect(await pollError(body.device_code)).toBeUndefined()
  })

  test('goes with its person: who signs in as somebody else in between is asked again', async () => {
    const { body } = await startDevice(server)
    const browser = openBrowser(server, 'usr_alice')
    const question = await typeCode(browser, body.user_code)
    browser.signInAs('usr_bob')
    expect((await answer(browser, question)).status).toBe(403)
    browser.signInAs(undefined)
    expect((await answer(browser, question)).status).toBe(303)
    expect(await pollError(body.device_code)).toBe('authorization_pending')
  })

  test('is worth nothing once its client is switched off', async () => {
    const { body } = await startDevice(server, 'cli2')
    const alice = openBrowser(server, 'usr_alice')
    const question = await typeCode(alice, body.user_code)
    await server.database.write(`update clients set disabled = true where client_id = $1`, ['cli2'])
    expect((await answer(alice, question)).status).toBe(400)
    expectUnknown(await typeCode(alice, body.user_code))
  })
})

describe('a link with the code', () => {
  test('fills the field in, and does nothing else', async () => {
    const { body } = await startDevice(server)
    const bob = openBrowser(server, 'usr_bob')
    const path = body.verification_uri_complete.slice(issuer.length)
    for (const _ of ['once', 'twice']) {
      const { status, text } = await bob.get(path)
      expect([status, fieldsOf(text).user_code]).toEqual([200, body.user_code])
      expect(text).not.toContain('Command')
    }
    expect(await pollError(body.device_code)).toBe('authorization_pending')
    // Nothing was bound by looking at it.
    expect((await typeCode(openBrowser(server, 'usr_alice'), body.user_code)).status).toBe(200)
  })

  test('repeats nothing that is no code', async () => {
    const alice = openBrowser(server, 'usr_alice')
    const { text } = await alice.get(`/device?user_code=${encodeURIComponent('"><script>')}`)
    expect(text).not.toContain('script')
    const typed = await typeCode(alice, '"><script>alert(1)</script>')
    expectUnknown(typed)
    expect(typed.text).not.toContain('<script')
  })
})

describe('a form', () => {
  test.each([
    { Origin: 'https://evil.example', 'Sec-Fetch-Site': 'cross-site' },
    { Origin: 'null', 'Sec-Fetch-Site': 'cross-site' },
    { Origin: 'http://127.0.0.1:4001', 'Sec-Fetch-Site': 'same-site' },
  ])('from elsewhere is refused (%o)', async (headers) => {
    const { body } = await startDevice(server)
    const alice = openBrowser(server, 'usr_alice')
    const question = await typeCode(alice, body.user_code)
    const fields = { ...fieldsOf(question.text), decision: 'allow' }
    expect((await alice.post('/device', fields, headers)).status).toBe(403)
    expect(await pollError(body.device_code)).toBe('authorization_pending')
  })

  test("without its token, or with another session's, is refused", async () => {
    const { body } = await startDevice(server)
    const alice = openBrowser(server, 'usr_alice')
    const question = await typeCode(alice, body.user_code)
    const others = fieldsOf((await openBrowser(server, 'usr_bob').get('/device')).text)
    for (const csrf of ['', 'made-up', others.csrf ?? '']) {
      expect((await answer(alice, question, 'allow', { csrf })).status).toBe(403)
    }
    expect(await pollError(body.device_code)).toBe('authorization_pending')
  })

  test('with an answer that is neither yes nor no is no answer', async () => {
    const { body } = await startDevice(server)
    const alice = openBrowser(server, 'usr_alice')
    const question = await typeCode(alice, body.user_code)
    const fields = fieldsOf(question.text)
    const odd = await alice.post('/device', { ...fields, decision: 'maybe' })
    expect(odd.status).toBe(400)
    expect(await pollError(body.device_code)).toBe('authorization_pending')
  })

  test('cannot be framed, scripted or kept', async () => {
    const alice = openBrowser(server, 'usr_alice')
    const { body } = await startDevice(server)
    for (const page of [await alice.get('/device'), await typeCode(alice, body.user_code)]) {
      const policy = page.headers.get('content-security-policy') ?? ''
      for (const rule of ["default-src 'none'", "form-action 'self'", "frame-ancestors 'none'"]) {
        expect(policy).toContain(rule)
      }
      expect(page.headers.get('x-frame-options')).toBe('DENY')
      expect(page.headers.get('cache-control')).toBe('no-store')
      expect(page.text).not.toContain('<script')
    }
  })

  test('other methods are not taken', async () => {
    const response = await server.request('/device', { method: 'PUT' })
    expect([response.status, response.headers.get('allow')]).toEqual([405, 'GET, POST'])
  })
})

describe('guessing', () => {
  const wrong = 'BBBB-BBBB'

  test('is over for a person after ten codes, on every server, until ten minutes have passed', async () => {
    const { body } = await startDevice(server)
    server.clock.advance(600)
    const fresh = await startDevice(server)
    const statuses: number[] = []
    for (let guess = 0; guess < 11; guess += 1) {
      // In as many sessions as they like.
      const browser = openBrowser(server, `usr_bob.${guess}`)
      statuses.push((await typeCode(browser, wrong)).status)
    }
    expect(statuses).toEqual([...Array(10).fill(400), 429])
    const refused = await typeCode(openBrowser(server, 'usr_bob'), fresh.body.user_code)
    expect(refused.status).toBe(429)
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
    expect((await typeCode(openBrowser(server, 'usr_alice'), wrong)).status).toBe(400)
    server.clock.advance(600)
    const later = await startDevice(server)
    expect((await typeCode(openBrowser(server, 'usr_bob'), later.body.user_code)).status).toBe(200)
    expect(body.user_code).toBeDefined()
  })

  test('many at once are as bounded as one by one', async () => {
    server.clock.advance(600)
    const browsers = Array.from({ length: 20 }, (_, n) => openBrowser(server, `usr_bob.p${n}`))
    const pages = await Promise.all(browsers.map((browser) => typeCode(browser, wrong)))
    expect(pages.filter(({ status }) => status === 400)).toHaveLength(10)
  })

  test('right codes are no guesses', async () => {
    server.clock.advance(600)
    for (let n = 0; n < 12; n += 1) {
      const { done } = await letIn(server)
      expect(done.status).toBe(200)
    }
  })

  test('is bounded for an address too, whoever comes from there', async () => {
    server.clock.advance(600)
    const env = { incoming: { socket: { remoteAddress: '203.0.113.9' } } }
    const from = async (person: string) => {
      const cookie = `person=${person}`
      const headers = { Cookie: cookie, Origin: issuer, 'Sec-Fetch-Site': 'same-origin' }
      const form = await server.app.request(`${issuer}/device`, { headers }, env)
      const { csrf = '' } = fieldsOf(await form.text())
      const formCookie = form.headers.get('set-cookie')?.split(';')[0]
      return server.app.request(
        `${issuer}/device`,
        {
          method: 'POST',
          headers: { ...headers, Cookie: `${cookie}; ${formCookie}` },
          body: new URLSearchParams({ csrf, user_code: wrong }),
        },
        env,
      )
    }
    // More people than one would count for: their own bounds are not what is reached.
    const name = 'device:address:203.0.113.9'
    for (let count = 0; count < 49; count += 1) {
      await attemptsStore(server.database).count({
        name,
        windowSeconds: 600,
        now: server.clock.now(),
      })
    }
    expect((await from('usr_alice')).status).toBe(400)
    expect((await from('usr_alice')).status).toBe(429)
  })
})
