/** The table of one measurement, with the costs of each target beside those of the floor. */
import { availableParallelism, cpus, loadavg } from 'node:os'
import { loadTool } from './load.mjs'

/** Whoever compares figures needs to know where they come from. */
export const machine = () => ({
  node: process.versions.node,
  cpu: cpus()[0]?.model ?? 'unknown',
  cores: availableParallelism(),
  load_average: Number(loadavg()[0].toFixed(2)),
  at: new Date().toISOString(),
})

const round = (value, digits) => Number(value.toFixed(digits))

/** For programs: the same figures, not yet texts. */
const figuresOf = ({ name, stores, databasePid }, figures, floor) => ({
  name,
  stores,
  requests_per_second: round(figures.perSecond, 1),
  server_cpu_seconds_per_1000: round(figures.serverCpu, 4),
  postgres_cpu_seconds_per_1000: databasePid && round(figures.databaseCpu, 4),
  load_cpu_seconds_per_1000: round(figures.loadCpu, 4),
  server_cpu_to_floor: round(figures.serverCpu / floor.serverCpu, 3),
  p50_ms: round(figures.p50, 3),
  p99_ms: round(figures.p99, 3),
  rss_mib: round(figures.rss, 1),
})

const columnsOf = (unit, keeps) => [
  'server',
  `${unit}/s`,
  'CPU s per 1,000',
  'x floor',
  'PostgreSQL CPU s per 1,000',
  'p50 / p99 ms',
  'RSS MiB',
  keeps,
]

const rowOf = (one) => [
  one.name,
  Math.round(one.requests_per_second),
  one.server_cpu_seconds_per_1000.toFixed(3),
  one.server_cpu_to_floor.toFixed(2),
  one.postgres_cpu_seconds_per_1000?.toFixed(3) ?? '',
  `${one.p50_ms.toFixed(1)} / ${one.p99_ms.toFixed(1)}`,
  Math.round(one.rss_mib),
  one.stores,
]

/** The first target is the floor. */
export const toReport = (targets, results, { title, unit, connections, keeps, notes = [] }) => {
  const figures = targets.map((target, index) => figuresOf(target, results[index], results[0]))
  const how = `${connections} connections, load by ${loadTool}`
  return {
    title: `${title}, ${how}, Node ${process.versions.node}`,
    columns: columnsOf(unit, keeps),
    rows: figures.map(rowOf),
    notes: [
      ...notes,
      'CPU is user and system time of the process, for 1,000 answers. "x floor" is CPU of the server against the first row, in this run.',
      `${availableParallelism()} cores for the server, PostgreSQL and the load together; load average at the end ${loadavg()[0].toFixed(1)}.`,
    ],
    figures,
  }
}
