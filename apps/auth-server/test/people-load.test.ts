/** A flood of sign-ins, and machines that need tokens in the middle of it. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  baseConfig,
  createBrowser,
  hiddenFields,
  openTestServer,
  type TestServer,
} from './harness.js'

let server: TestServer
beforeAll(async () => {
  server = await openTestServer({ config: baseConfig, passwordCost: { ln: 14, r: 8, p: 1 } })
  // Loaded before the clock matters.
  await createBrowser(server).fill('/sign-in', { email: 'first@acme.test', password: 'x' })
})
afterAll(() => server.close())

test('a flood of sign-ins is sent away with a time to come again, and tokens do not wait for it', async () => {
  const browser = createBrowser(server)
  const fields = hiddenFields(await (await browser.get('/sign-in')).text())
  let left = 60
  const flood = Array.from({ length: left }, async (_, index) => {
    const email = `nobody-${index}@acme.test`
    const answer = await browser.post('/sign-in', { ...fields, email, password: 'guess' })
    left -= 1
    return answer
  })
  const token = await server.clientCredentials('orchestrator')
  const stillWaiting = left
  const answers = await Promise.all(flood)
  expect(token.status).toBe(200)
  expect(stillWaiting).toBeGreaterThan(0)
  const away = answers.filter(({ status }) => status === 503)
  expect(away.length).toBeGreaterThan(0)
  expect(away.every(({ headers }) => headers.get('retry-after') === '3')).toBe(true)
  const judged = answers.filter(({ status }) => status === 401)
  expect(judged.length).toBeGreaterThanOrEqual(18)
  expect(judged.length + away.length).toBe(60)
})
