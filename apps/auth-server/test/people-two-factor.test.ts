/** Codes from an app: set up, asked for, bounded, and taken away again. */
import { createHmac } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  type Browser,
  baseConfig,
  createBrowser,
  openTestServer,
  type TestServer,
} from './harness.js'

const dan = { email: 'dan@acme.test', password: 'seven quiet rivers' }

let server: TestServer
beforeAll(async () => {
  const users = [{ ...dan, tenant_id: 'acme' }]
  server = await openTestServer({ config: { ...baseConfig, users } })
})
afterAll(() => server.close())

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'

/** RFC 4648 §6. */
const fromBase32 = (text: string): Buffer => {
  const bits = [...text].map((one) => alphabet.indexOf(one).toString(2).padStart(5, '0')).join('')
  return Buffer.from((bits.match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)))
}

/** RFC 6238. Time is that of the machine: the library asks no other clock. */
const codeOf = (secret: string, stepsLater = 0): string => {
  const counter = Buffer.alloc(8)
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000) + stepsLater))
  const mac = createHmac('sha1', fromBase32(secret)).update(counter).digest()
  const at = (mac.at(-1) ?? 0) & 15
  return String((mac.readUInt32BE(at) & 0x7fff_ffff) % 10 ** 6).padStart(6, '0')
}

const settings = '/account/security/two-factor'
const security = '/account/security'

const isSignedIn = async (browser: Browser): Promise<boolean> => {
  const request = new Request('http://127.0.0.1:4000', { headers: { cookie: browser.cookie() } })
  return (await server.deps.people.sessionOf(request)) !== undefined
}

let secret = ''
let backupCodes: string[] = []

const hidden = (html: string): Record<string, string> => ({
  csrf: /name="csrf" value="([^"]+)"/.exec(html)?.[1] ?? '',
})

test('setting up asks for the password, shows the key once, and counts after the first code', async () => {
  const browser = createBrowser(server)
  await browser.fill('/sign-in', dan)
  const wrong = await browser.fill(security, { password: 'wrong password', do: 'start' }, settings)
  expect(wrong.status).toBe(401)
  expect(await wrong.text()).toContain('The password is wrong.')

  const page = await browser.fill(security, { password: dan.password, do: 'start' }, settings)
  const html = await page.text()
  expect(page.status).toBe(200)
  const uri = new URL((/href="(otpauth:[^"]+)"/.exec(html)?.[1] ?? '').replaceAll('&amp;', '&'))
  secret = uri.searchParams.get('secret') ?? ''
  backupCodes = [...html.matchAll(/<li><code>([^<]+)<\/code>/g)].map(([, code = '']) => code)
  expect(backupCodes.length).toBeGreaterThanOrEqual(8)

  // Not confirmed: the password alone still does.
  expect((await createBrowser(server).fill('/sign-in', dan)).headers.get('location')).toBe(
    '/account',
  )

  const failed = await browser.post(settings, { ...hidden(html), do: 'confirm', code: '000000' })
  expect(failed.status).toBe(401)
  const again = hidden(await failed.text())
  const done = await browser.post(settings, { ...again, do: 'confirm', code: codeOf(secret) })
  expect(done.status).toBe(303)
  expect(await (await browser.get(security)).text()).toContain('asks for a code')
})

test('the password alone gives no session; the code does, and keeps where one wanted to go', async () => {
  const browser = createBrowser(server)
  const first = await browser.fill('/sign-in?return_to=/device', dan)
  expect(first.headers.get('location')).toBe('/two-factor?return_to=%2Fdevice')
  expect(first.headers.getSetCookie().join()).not.toMatch(/session_token=[^;]/)
  expect(await isSignedIn(browser)).toBe(false)
  const wrong = await browser.fill('/two-factor?return_to=/device', { code: '123456' })
  expect(wrong.status).toBe(401)
  const page = '/two-factor?return_to=/device'
  const answer = await browser.fill(page, { code: ` ${codeOf(secret, 1)} ` })
  expect(answer.headers.get('location')).toBe('/device')
  expect(await isSignedIn(browser)).toBe(true)
})

test('a backup code works once', async () => {
  const [code = ''] = backupCodes
  const browser = createBrowser(server)
  await browser.fill('/sign-in', dan)
  expect((await browser.fill('/two-factor', { code })).status).toBe(303)
  expect(await isSignedIn(browser)).toBe(true)
  const other = createBrowser(server)
  await other.fill('/sign-in', dan)
  expect((await other.fill('/two-factor', { code })).status).toBe(401)
  expect(await isSignedIn(other)).toBe(false)
})

test('a code without a sign-in under way opens nothing', async () => {
  const answer = await createBrowser(server).fill('/two-factor', { code: codeOf(secret) })
  expect(answer.status).toBe(400)
  expect(await answer.text()).toContain('Sign in again.')
})

test('seeds and backup codes are sealed in the database', async () => {
  const [row] = await server.database.read('select * from two_factors', [])
  const text = JSON.stringify(row) + Buffer.from(String(row?.secret_sealed)).toString('base64')
  expect(text).not.toContain(secret)
  expect(backupCodes.every((code) => !text.includes(code))).toBe(true)
})

test('wrong codes are bounded', async () => {
  const browser = createBrowser(server)
  await browser.fill('/sign-in', dan)
  const statuses: number[] = []
  for (let time = 0; time < 12; time += 1) {
    statuses.push((await browser.fill('/two-factor', { code: '000000' })).status)
  }
  expect(statuses.filter((status) => status === 401).length).toBeLessThanOrEqual(10)
  expect(statuses.at(-1)).toBeGreaterThanOrEqual(400)
  expect((await browser.fill('/two-factor', { code: codeOf(secret) })).status).not.toBe(303)
  expect(await isSignedIn(browser)).toBe(false)
})
