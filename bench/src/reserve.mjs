/** Reservations over HTTP: 1,000 budgets, one hot budget, and the floor, in alternating rounds. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { manyAgents, ownDelegations, resourceServer } from './agents.mjs'
import { loadTool, reservationLoad } from './load.mjs'
import { measureInTurn } from './measure.mjs'
import { basic, startOurs, startReserveFloor } from './servers.mjs'

const budgets = 1000
/** Callers that wait for an answer each: the more of them, the more are decided in one commit. */
const [some, many] = [64, 128]
const timing = { rounds: 3, seconds: 6, unit: 'reservations' }
const goals = ['', '', 4000, 1500]
/** One for each load: what a resource server may have open at a time is bounded. */
const loads = goals.length * (timing.rounds + 1)

const targetsOf = ({ floor, ours, folder, delegations, databasePid }) => {
  let turn = 0
  const nextServer = () => {
    turn += 1
    return resourceServer(turn % loads)
  }
  const target = (name, server, ids, connections) => {
    const file = join(folder, `${ids.length}-delegations`)
    writeFileSync(file, `${ids.join('\n')}\n`)
    const asked = () => ({ url: server.url, authorization: basic(nextServer()), file })
    const load = (seconds) => reservationLoad(asked(), { connections, seconds })
    return { name: `${name}, ${connections} connections`, pid: server.pid, databasePid, load }
  }
  return [
    target('floor: node:http, the same rows, nothing checked', floor, delegations, many),
    target(`ours, ${budgets} agents of one tenant`, ours, delegations, some),
    target(`ours, ${budgets} agents of one tenant`, ours, delegations, many),
    target('ours, one hot budget', ours, delegations.slice(0, 1), some),
  ]
}

const toReport = (targets, figures) => ({
  title: `Reserve over HTTP, durable, load by ${loadTool}, Node ${process.versions.node}`,
  columns: [
    'server',
    'reservations/s',
    'goal',
    'CPU s per 1,000',
    'PostgreSQL CPU s per 1,000',
    'load CPU s per 1,000',
    'x floor (server + PostgreSQL)',
    'p50 / p99 ms',
  ],
  rows: targets.map(({ name }, index) => {
    const { perSecond, serverCpu, databaseCpu, loadCpu, p50, p99 } = figures[index]
    const [floor] = figures
    return [
      name,
      Math.round(perSecond),
      goals[index],
      serverCpu.toFixed(3),
      databaseCpu.toFixed(3),
      loadCpu.toFixed(3),
      ((serverCpu + databaseCpu) / (floor.serverCpu + floor.databaseCpu)).toFixed(2),
      `${p50.toFixed(1)} / ${p99.toFixed(1)}`,
    ]
  }),
  notes: [
    'No request was refused and none failed: the run ends with an error at the first.',
    `${availableParallelism()} cores for the server, PostgreSQL and the load together; load average at the end ${loadavg()[0].toFixed(1)}.`,
  ],
})

export const measureReserve = async ({ postgres, createDatabase }, say) => {
  const folder = mkdtempSync(join(tmpdir(), 'behalf-bench-'))
  const servers = []
  try {
    const floor = await startReserveFloor(await createDatabase('floor'))
    servers.push(floor)
    say(`Starting our server with ${budgets} agents`)
    const ours = await startOurs(await createDatabase('reserve'), manyAgents(budgets, loads))
    servers.push(ours)
    const delegations = await ownDelegations(ours.url, budgets)
    const databasePid = postgres.pid
    const targets = targetsOf({ floor, ours, folder, delegations, databasePid })
    return toReport(targets, await measureInTurn(targets, timing, say))
  } finally {
    // What was under way when the load ended is done first.
    await sleep(1000)
    await Promise.all(servers.map((server) => server.stop()))
    rmSync(folder, { recursive: true, force: true })
  }
}
