/** Client credentials: the floor and our server on PostgreSQL, in alternating rounds. */
import { startPostgres } from '../../scripts/postgres.mjs'
import { measureRound, median } from './measure.mjs'
import { resource, secret, startFloor, startOurs } from './servers.mjs'

const connections = 32
const seconds = 6
const rounds = 3

const request = (url) => ({
  url: `${url}/token`,
  method: 'POST',
  headers: {
    authorization: `Basic ${Buffer.from(`bench:${secret}`).toString('base64')}`,
    'content-type': 'application/x-www-form-urlencoded',
  },
  body: new URLSearchParams({
    grant_type: 'client_credentials',
    scope: 'docs:read docs:write',
    resource,
  }).toString(),
})

const runRounds = async (targets, say) => {
  for (const target of targets) {
    await measureRound({ ...target, request: request(target.url), connections, seconds: 2 })
  }
  for (let round = 1; round <= rounds; round += 1) {
    for (const target of targets) {
      const result = await measureRound({
        ...target,
        request: request(target.url),
        connections,
        seconds,
      })
      target.results.push(result)
      say(`round ${round} of ${rounds}: ${target.name} ${Math.round(result.perSecond)} tokens/s`)
    }
  }
}

const figures = ({ results }) =>
  Object.fromEntries(
    ['perSecond', 'p50', 'p99', 'serverCpu', 'databaseCpu'].map((name) => [
      name,
      median(results.map((result) => result[name])),
    ]),
  )

const toRow = (target, floor) => {
  const { perSecond, p50, p99, serverCpu, databaseCpu } = figures(target)
  return [
    target.name,
    Math.round(perSecond),
    serverCpu.toFixed(3),
    databaseCpu.toFixed(3),
    (serverCpu / figures(floor).serverCpu).toFixed(2),
    `${p50} / ${p99}`,
  ]
}

/** @param {(line: string) => void} say shows progress */
export const measureToken = async (say) => {
  say('Starting PostgreSQL (fsync on), our server and the floor')
  const postgres = await startPostgres()
  const floor = { name: 'floor: node:http, no storage', results: [], ...(await startFloor()) }
  const ours = {
    name: 'ours on PostgreSQL, a durable row per token',
    results: [],
    databasePid: postgres.pid,
    ...(await startOurs(`${postgres.url}postgres`)),
  }
  try {
    await runRounds([floor, ours], say)
  } finally {
    await Promise.all([floor.stop(), ours.stop()])
    await postgres.stop()
  }
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
    rows: [floor, ours].map((target) => toRow(target, floor)),
  }
}
