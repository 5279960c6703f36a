/** Client credentials: the floor and our server on PostgreSQL, in alternating rounds. */
import { startPostgres } from '../../scripts/postgres.mjs'
import { autocannonLoad } from './load.mjs'
import { measureInTurn } from './measure.mjs'
import { basic, resource, secret, startFloor, startOurs } from './servers.mjs'

const connections = 32
const timing = { rounds: 3, seconds: 6, unit: 'tokens' }

const config = {
  tenants: [{ tenant_id: 'bench' }],
  resources: [{ resource, tenant_id: 'bench', scopes_supported: ['docs:read', 'docs:write'] }],
  clients: [
    {
      client_id: 'bench',
      kind: 'agent',
      tenant_id: 'bench',
      client_secret: secret,
      scope: 'docs:read docs:write',
      resources: [resource],
    },
  ],
}

const loadOf = ({ url }) => {
  const request = {
    url: `${url}/token`,
    method: 'POST',
    headers: {
      authorization: basic('bench'),
      'content-type': 'application/x-www-form-urlencoded',
    },
    body: new URLSearchParams({
      grant_type: 'client_credentials',
      scope: 'docs:read docs:write',
      resource,
    }).toString(),
  }
  return (seconds) => autocannonLoad(request, { connections, seconds })
}

const toRow = ({ name }, figures, floor) => [
  name,
  Math.round(figures.perSecond),
  figures.serverCpu.toFixed(3),
  figures.databaseCpu.toFixed(3),
  (figures.serverCpu / floor.serverCpu).toFixed(2),
  `${figures.p50} / ${figures.p99}`,
]

/** @param {(line: string) => void} say shows progress */
export const measureToken = async (say) => {
  say('Starting PostgreSQL (fsync on), our server and the floor')
  const postgres = await startPostgres()
  const floor = await startFloor()
  const ours = await startOurs(`${postgres.url}postgres`, config)
  const targets = [
    { name: 'floor: node:http, no storage', ...floor, load: loadOf(floor) },
    {
      name: 'ours on PostgreSQL, a durable row per token',
      ...ours,
      databasePid: postgres.pid,
      load: loadOf(ours),
    },
  ]
  try {
    const figures = await measureInTurn(targets, timing, say)
    return {
      title: `Client credentials, ES256, ${connections} connections, Node ${process.versions.node}`,
      columns: [
        'server',
        'tokens/s',
        'CPU s per 1,000',
        'PostgreSQL CPU s per 1,000',
        'x floor',
        'p50 / p99 ms',
      ],
      rows: targets.map((target, index) => toRow(target, figures[index], figures[0])),
    }
  } finally {
    await Promise.all([floor.stop(), ours.stop()])
    await postgres.stop()
  }
}
