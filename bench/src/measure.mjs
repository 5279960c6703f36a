/** Load on a server, and what it costs: requests/s, latency, CPU of the server's own processes. */
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import autocannon from 'autocannon'

const ticksPerSecond = Number(execFileSync('getconf', ['CLK_TCK']).toString())

/** User and system time of one process in seconds, all threads. Linux only. */
const cpuOf = (pid) => {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  // proc_pid_stat(5): fields 14 to 17 are utime, stime and those of children that have ended.
  return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0) / ticksPerSecond
}

const childrenOf = (pid) =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => {
      try {
        const stat = readFileSync(`/proc/${name}/stat`, 'utf8')
        return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1] === String(pid)
      } catch {
        return false
      }
    })

/** CPU seconds of a process and its children. */
export const cpuSeconds = (pid) =>
  pid === undefined ? 0 : [pid, ...childrenOf(pid)].reduce((sum, one) => sum + cpuOf(one), 0)

export const median = (values) => {
  const sorted = [...values].sort((one, other) => one - other)
  return sorted[Math.floor(sorted.length / 2)]
}

/**
 * One round of load.
 *
 * @param {{ request: object, pid: number, databasePid?: number, connections: number, seconds: number }} options
 */
export const measureRound = async ({ request, pid, databasePid, connections, seconds }) => {
  const before = [cpuSeconds(pid), cpuSeconds(databasePid)]
  const result = await autocannon({ ...request, connections, duration: seconds })
  const after = [cpuSeconds(pid), cpuSeconds(databasePid)]
  const served = result['2xx']
  if (result.non2xx > 0 || result.errors > 0) {
    throw new Error(`${result.non2xx} refusals and ${result.errors} errors at ${request.url}`)
  }
  return {
    perSecond: served / result.duration,
    p50: result.latency.p50,
    p99: result.latency.p99,
    serverCpu: ((after[0] - before[0]) / served) * 1000,
    databaseCpu: ((after[1] - before[1]) / served) * 1000,
  }
}
