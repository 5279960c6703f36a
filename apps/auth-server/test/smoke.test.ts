import { afterAll, beforeAll, expect, test } from 'vitest'
import { decode, delegateOnce, openTestServer, type TestServer } from './harness.js'

let server: TestServer
beforeAll(async () => {
  server = await openTestServer()
})
afterAll(() => server.close())

test('fifty reservations at once on a budget for two hold exactly two', async () => {
  const { token, accepted } = await delegateOnce(server, {
    scope: 'docs:read',
    agent_limits: '{"cost_budget_usd":"0.08"}',
  })
  expect(accepted.status).toBe(200)
  const answers = await Promise.all(
    Array.from({ length: 50 }, () =>
      server.ledger('docs-server', '/reservations', {
        token,
        amount_usd: '0.04',
        action: 'docs.summarize',
      }),
    ),
  )
  const statuses = answers.map(({ status }) => status)
  expect(statuses.filter((status) => status === 201)).toHaveLength(2)
  expect(statuses.filter((status) => status === 402)).toHaveLength(48)
  expect(decode(token).act).toMatchObject({ sub: 'researcher' })
})
