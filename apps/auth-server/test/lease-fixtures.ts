/** What the tests of leases share: opening, reporting, and reading what is told of them. */
import { decode, type TestServer } from './harness.js'
import { configWith } from './ledger-fixtures.js'

/** Nobody limits requests but the delegations that a test lends. */
export const leaseConfig = configWith({
  clients: {
    orchestrator: {
      agent_limits: { cost_budget_usd: 50, max_delegation_depth: 3 },
    },
    researcher: { agent_limits: { cost_budget_usd: 50 } },
  },
})

export interface LeaseBody extends Record<string, unknown> {
  id: string
  state: string
  epoch: number
  seq: number
  amount_usd: string
  requests: number
  tail: boolean
  recalled: boolean
  error?: string
}

const as = async (server: TestServer, clientId: string, path: string, body: object, key?: string) =>
  (await server.ledger(clientId, path, body, key)) as unknown as {
    status: number
    headers: Headers
    body: LeaseBody
  }

/** `POST /leases` as the server of the docs. */
export const open = (server: TestServer, fields: object, key?: string) =>
  as(server, 'docs-server', '/leases', fields, key)

export const renew = (server: TestServer, id: string, fields: object, key?: string) =>
  as(server, 'docs-server', `/leases/${id}/renew`, fields, key)

export const close = (server: TestServer, id: string, fields: object, key?: string) =>
  as(server, 'docs-server', `/leases/${id}/close`, fields, key)

/** What the signed feed lists, all of it. */
export const revokedInFeed = async (server: TestServer): Promise<{ id: string; exp: number }[]> => {
  const jwt = await (await server.request('/revocations')).text()
  return decode(jwt).revoked as { id: string; exp: number }[]
}

export const inSeconds = (server: TestServer, seconds: number): string =>
  new Date(server.clock.now().getTime() + seconds * 1000).toISOString()

/** No request in this test file was a failure of the server. */
export const failures = (server: TestServer): string[] =>
  server.log.filter((line) => line.includes('"failed"'))
