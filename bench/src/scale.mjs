/** More than one process on a port, and a database that is further away: tokens/s, and what they cost. */
import postgres from 'postgres'
import { startPostgres } from '../../scripts/postgres.mjs'
import { autocannonLoad } from './load.mjs'
import { measureInTurn, median } from './measure.mjs'
import { basic, resource, secret, startDelay, startOurs } from './servers.mjs'

/** Enough to keep a server at work while its database takes 10 ms to answer. */
const connections = 256
const near = { rounds: 2, seconds: 3, unit: 'tokens' }
const away = { rounds: 1, seconds: 2, unit: 'tokens' }

/** Milliseconds in each direction, and workers for each. */
const delays = [1, 2, 5]
const sizes = [1, 2, 4]

const config = {
  tenants: [{ tenant_id: 'bench' }],
  resources: [{ resource, tenant_id: 'bench', scopes_supported: ['docs:read'] }],
  clients: [
    {
      client_id: 'bench',
      kind: 'agent',
      tenant_id: 'bench',
      client_secret: secret,
      scope: 'docs:read',
      resources: [resource],
    },
  ],
}

const requestOf = (url) => {
  const form = { grant_type: 'client_credentials', scope: 'docs:read', resource }
  const headers = {
    authorization: basic('bench'),
    'content-type': 'application/x-www-form-urlencoded',
  }
  const body = new URLSearchParams(form).toString()
  return { url: `${url}/token`, method: 'POST', headers, body }
}

/** Load ends in the middle of its requests, which go on: one that comes after them waits for them. */
const settle = ({ url, ...request }, workers) =>
  Promise.all(
    Array.from({ length: 4 * workers }, async () => (await fetch(url, request)).arrayBuffer()),
  )

const startTarget = async (database, workers) => {
  const server = await startOurs(database.url, config, { workers })
  const request = requestOf(server.url)
  return {
    pid: server.pid,
    name: `${database.name}, WORKERS=${workers}`,
    databasePid: database.pid,
    load: (seconds) => autocannonLoad(request, { connections, seconds }),
    stop: async () => {
      await settle(request, workers)
      await server.stop()
    },
  }
}

/** What one question and its answer take, in milliseconds: a timer of 1 ms takes its time. */
const roundTripOf = async (url) => {
  const sql = postgres(url, { max: 1, onnotice: () => {} })
  await sql`select 1`
  const times = []
  for (let turn = 0; turn < 20; turn += 1) {
    const began = performance.now()
    await sql`select 1`
    times.push(performance.now() - began)
  }
  await sql.end()
  return median(times)
}

const measureNear = async (database, say) => {
  const targets = [await startTarget(database, 1), await startTarget(database, 2)]
  try {
    const figures = await measureInTurn(targets, near, say)
    return figures.map((one, index) => ({ ...one, database, workers: index + 1 }))
  } finally {
    await Promise.all(targets.map(({ stop }) => stop()))
  }
}

const measureAway = async (database, workers, say) => {
  const target = await startTarget(database, workers)
  try {
    const [figures] = await measureInTurn([target], away, say)
    return { ...figures, database, workers }
  } finally {
    await target.stop()
  }
}

const withDelay = async (database, milliseconds, say) => {
  const proxy = await startDelay(new URL(database.url).port, milliseconds)
  try {
    const url = new URL(database.url)
    url.port = new URL(proxy.url).port
    const name = `${milliseconds} ms away`
    const further = { ...database, url: url.href, name, roundTrip: await roundTripOf(url.href) }
    const results = []
    for (const workers of sizes) results.push(await measureAway(further, workers, say))
    return results
  } finally {
    await proxy.stop()
  }
}

const toRow = ({ database, workers, ...figures }) => [
  database.name,
  database.roundTrip.toFixed(1),
  workers,
  Math.round(figures.perSecond),
  figures.serverCpu.toFixed(3),
  figures.databaseCpu.toFixed(3),
  `${figures.p50} / ${figures.p99}`,
]

/** Tokens/s where each worker has a core, and PostgreSQL has so many, none of which does anything else. */
const withCores = ({ serverCpu, databaseCpu }, workers, databaseCores) => {
  const served = (workers * 1000) / serverCpu
  const stored = (databaseCores * 1000) / databaseCpu
  return served <= stored ? [served, 'the workers'] : [stored, 'PostgreSQL']
}

const toSum = (figures, one) => (databaseCores) => {
  const [rate, limit] = withCores(figures, figures.workers, databaseCores)
  const [alone] = withCores(one, 1, databaseCores)
  return [figures.workers, databaseCores, Math.round(rate), (rate / alone).toFixed(2), limit]
}

const measured = (results) => ({
  title: `Workers and a database further away, client credentials, ${connections} connections, Node ${process.versions.node}`,
  columns: [
    'database',
    'round trip ms',
    'workers',
    'tokens/s',
    'CPU s per 1,000',
    'PostgreSQL CPU s per 1,000',
    'p50 / p99 ms',
  ],
  rows: results.map(toRow),
  notes: [
    'All of it is on one machine: server, PostgreSQL, load and, in between, what holds bytes back. Where it has two ' +
      'cores they are full with one worker, so a second one cannot show what it gains in tokens/s, and more of them ' +
      'only take turns. What can be read from it is how much of its rate one worker keeps while the database moves away, and ' +
      'what a token costs with more workers: each writes its own batches, so these are smaller, and PostgreSQL commits more often.',
    'What holds the bytes back takes CPU of the same cores, and where those are full it holds them back for longer: ' +
      'see the round trip.',
  ],
})

const computed = (results) => {
  const [one, two] = results
  const four = results.find(({ workers }) => workers === 4)
  return {
    title: 'The same by sum of CPU: a core for each worker, and cores for PostgreSQL alone',
    columns: ['workers', 'cores of PostgreSQL', 'tokens/s', 'x one worker', 'limited by'],
    rows: [one, two, four].flatMap((figures) => [1, 2].map(toSum(figures, one))),
    notes: [
      'Computed, not measured: 1,000 tokens through the CPU seconds that they took above. Cores that are not shared ' +
        'lose less to each other, a network costs some more. Four workers are those with the database 1 ms away.',
    ],
  }
}

/** @param {(line: string) => void} say shows progress */
export const measureScale = async (say) => {
  say('Starting PostgreSQL (fsync on) and our server with one worker and with two')
  const server = await startPostgres()
  const url = `${server.url}postgres`
  try {
    const roundTrip = await roundTripOf(url)
    const database = { url, name: 'on this machine', pid: server.pid, roundTrip }
    const results = await measureNear(database, say)
    for (const delay of delays) results.push(...(await withDelay(database, delay, say)))
    return [measured(results), computed(results)]
  } finally {
    await server.stop()
  }
}
