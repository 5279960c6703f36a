/** What costs more with more agents: the same requests on databases of 10^3 to 10^6 of them. */
import { randomUUID } from 'node:crypto'
import { availableParallelism, loadavg } from 'node:os'
import postgres from 'postgres'
import { startPostgres } from '../../scripts/postgres.mjs'
import { ask, drive } from './drive.mjs'
import { fill, sizes, victimClients, victims } from './growth-fill.mjs'
import { measureInTurn } from './measure.mjs'
import { basic, resource, secret, startOurs } from './servers.mjs'

const counts = [1_000, 10_000, 100_000, 1_000_000]
const timing = { rounds: 2, seconds: 3, unit: 'requests' }
/** Requests of one round. */
const most = 700
/** Agents whose tokens are exchanged and asked about. */
const pool = 200

const client = (client_id, more) => ({
  client_id,
  tenant_id: 'bench',
  client_secret: secret,
  ...more,
})

const config = {
  tenants: [{ tenant_id: 'bench', limits: { cost_budget_usd: 1_000_000_000 } }],
  resources: [
    { resource, tenant_id: 'bench', scopes_supported: ['docs:read'], client_id: 'docs-server-0' },
  ],
  clients: [
    client('docs-server-0', { kind: 'resource_server' }),
    client('admin', {
      kind: 'app',
      scope: 'admin',
      token_endpoint_auth_method: 'client_secret_basic',
    }),
    client('template', {
      kind: 'agent',
      scope: 'docs:read',
      resources: [resource],
      agent_limits: { cost_budget_usd: 1_000_000, max_delegation_depth: 3 },
    }),
  ],
  delegation_bounds: { max_children: 100_000, max_children_per_minute: 100_000 },
  rate_limits: { client_requests_per_minute: { revoke: 1_000_000_000 } },
  delegation_rules: [{ from: '*', to: 'template', tenant_id: 'bench' }],
}

const form = (clientId, path, fields) => ({
  method: 'POST',
  path,
  headers: { authorization: basic(clientId), 'content-type': 'application/x-www-form-urlencoded' },
  body: new URLSearchParams(fields),
})

const json = (clientId, path, body) => ({
  method: 'POST',
  path,
  headers: {
    authorization: basic(clientId),
    'content-type': 'application/json',
    'idempotency-key': randomUUID(),
  },
  body: JSON.stringify(body),
})

const get = (clientId, path) => ({ path, headers: { authorization: basic(clientId) } })

const anyOf = (list) => list[Math.floor(Math.random() * list.length)]
const exchangeType = 'urn:ietf:params:oauth:grant-type:token-exchange'
const tokenType = 'urn:ietf:params:oauth:token-type:access_token'

/** Counts to an end: what is revoked is not there to be revoked again. */
const upTo = (last, make) => {
  let next = 0
  return () => {
    next += 1
    return next > last ? undefined : make(next)
  }
}

/** Any of all the agents: what is cached of one is not asked for again soon. */
const requestsOf = ({ count, tokens, cursor }) => {
  const someone = () => `a${1 + Math.floor(Math.random() * count)}`
  return {
    token: () =>
      form(someone(), '/token', { grant_type: 'client_credentials', scope: 'docs:read', resource }),
    exchange: () => {
      const [id, token] = anyOf(tokens)
      return form(id, '/token', {
        grant_type: exchangeType,
        subject_token: token,
        subject_token_type: tokenType,
      })
    },
    introspection: () => form('docs-server-0', '/introspect', { token: anyOf(tokens)[1] }),
    reservation: () =>
      json('docs-server-0', '/ledger/reservations', {
        delegation_id: `dlg_r_${someone()}`,
        amount_usd: '0.01',
        action: 'docs.read',
        on_expiry: 'release',
        ttl_seconds: 1,
      }),
    'feed, a delta': () => ({ path: `/revocations?after=${cursor}` }),
    'feed, whole': () => ({ path: '/revocations' }),
    '/delegations, an agent': () => get(someone(), '/delegations?limit=50'),
    '/delegations, an admin': () => get('admin', '/delegations?limit=50'),
    '/delegations, below one': () => get('admin', `/delegations?under=dlg_r_${someone()}`),
    '/delegations, of an actor': () => get('admin', '/delegations?limit=50&actor=template'),
    'revocation, a delegation': upTo(victims, (n) =>
      json('admin', `/delegations/dlg_l${n}/revoke`, {}),
    ),
    'revocation, a client': upTo(victimClients, (n) =>
      json('admin', '/revocations', { client_id: `v${n}` }),
    ),
  }
}

const poolOf = async (url, count) => {
  const tokens = []
  for (let n = 1; n <= pool; n += 1) {
    const id = `a${1 + ((n * 7919) % count)}`
    const request = form(id, '/token', { grant_type: 'client_credentials', resource })
    tokens.push([id, (await ask(url, request)).access_token])
  }
  return tokens
}

const measureSize = async (database, count, say) => {
  const { url, databasePid } = database
  // The first start makes the tables, and what the file says.
  await (await startOurs(url, config)).stop()
  const sql = postgres(url, { max: 1, onnotice: () => {} })
  say(`${count} agents: filling`)
  await fill(sql, count)
  const server = await startOurs(url, config)
  try {
    const tokens = await poolOf(server.url, count)
    const [{ newest }] = await sql`select max(cursor)::text as newest from revocations`
    const requests = requestsOf({ count, tokens, cursor: Math.max(0, Number(newest) - 5) })
    const targets = Object.entries(requests).map(([name, next]) => {
      const load = drive({ url: server.url, next, most })
      return { name, pid: server.pid, databasePid, load }
    })
    const figures = await measureInTurn(targets, timing, say)
    return { count, names: Object.keys(requests), figures, sizes: await sizes(sql) }
  } finally {
    await server.stop()
    await sql.end()
  }
}

const cpuOf = ({ serverCpu, databaseCpu }) => serverCpu + databaseCpu

const ratio = (one, other) => (one / other).toFixed(2)

/** The smallest in units, the others as what they cost more than that. */
const costTable = (results) => {
  const [base, ...others] = results
  return {
    title: 'What a request costs with more agents, delegations and history',
    columns: [
      'request',
      `${base.count}: p50 / p99 ms, CPU s per 1,000`,
      ...others.map(({ count }) => `${count}: x p50 / p99, x CPU`),
    ],
    rows: base.names.map((name, index) => {
      const own = base.figures[index]
      const first = `${own.p50.toFixed(1)} / ${own.p99.toFixed(1)}, ${cpuOf(own).toFixed(2)}`
      return [
        name,
        first,
        ...others.map(({ figures }) => {
          const { p50, p99 } = figures[index]
          const cpu = ratio(cpuOf(figures[index]), cpuOf(own))
          return `${ratio(p50, own.p50)} / ${ratio(p99, own.p99)}, ${cpu}`
        }),
      ]
    }),
    notes: [
      'CPU of the server and of PostgreSQL together. 8 requests at a time, each for any of the agents.',
      `${availableParallelism()} cores for all; load average at the end ${loadavg()[0].toFixed(1)}.`,
    ],
  }
}

const mebibytes = (bytes) => (Number(bytes) / 2 ** 20).toFixed(1)

const sizeTable = (results) => ({
  title: 'Tables and their indexes, MiB',
  columns: ['table', ...results.map(({ count }) => `${count}: rows + indexes`)],
  rows: results[0].sizes.map(({ name }, index) => [
    name,
    ...results.map(({ sizes }) => {
      const { rows, indexes } = sizes[index]
      return `${mebibytes(rows)} + ${mebibytes(indexes)}`
    }),
  ]),
})

/** @param {(line: string) => void} say shows progress */
export const measureGrowth = async (say, { sizes: asked = counts } = {}) => {
  const server = await startPostgres({ flags: ['shared_buffers=256MB', 'max_wal_size=4GB'] })
  const sql = postgres(`${server.url}postgres`, { max: 1, onnotice: () => {} })
  try {
    const results = []
    for (const count of asked) {
      const name = `growth_${count}`
      await sql.unsafe(`create database ${name}`)
      const database = { url: `${server.url}${name}`, databasePid: server.pid }
      results.push(await measureSize(database, count, say))
      await sql.unsafe(`drop database ${name} with (force)`)
    }
    return [costTable(results), sizeTable(results)]
  } finally {
    await sql.end()
    await server.stop()
  }
}
