/** What load costs: requests/s, latency, CPU of the processes that take part. Rounds and medians. */
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'

if (process.platform !== 'linux') {
  throw new Error('CPU time and memory are read from /proc: the benchmarks need Linux')
}
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
const cpuSeconds = (pid) =>
  pid === undefined ? 0 : [pid, ...childrenOf(pid)].reduce((sum, one) => sum + cpuOf(one), 0)

/** What a process has in memory now. */
export const rssMiB = (pid) =>
  Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024

export const median = (values) => {
  const sorted = [...values].sort((one, other) => one - other)
  return sorted[Math.floor(sorted.length / 2)]
}

const cpuNow = ({ pid, databasePid }) => ({
  serverCpu: cpuSeconds(pid),
  databaseCpu: cpuSeconds(databasePid),
  // This process makes the load, or its child did, which has ended.
  loadCpu: cpuOf(process.pid),
})

/**
 * One round of load. CPU in seconds per 1,000 requests.
 *
 * @param target `{ name, pid, databasePid?, load(seconds) }`
 */
export const measureRound = async (target, seconds) => {
  const before = cpuNow(target)
  const { served, refused, errors, ...load } = await target.load(seconds)
  const after = cpuNow(target)
  if (refused > 0 || errors > 0) {
    throw new Error(`${target.name}: ${refused} refusals and ${errors} errors`)
  }
  const cpu = Object.entries(after).map(([name, total]) => [
    name,
    ((total - before[name]) / served) * 1000,
  ])
  const { p50, p99 } = load
  const rss = rssMiB(target.pid)
  return { perSecond: served / load.seconds, p50, p99, rss, ...Object.fromEntries(cpu) }
}

const warmUpSeconds = 2

/**
 * Rounds in turn, so that a noisy moment of the machine hits all alike.
 *
 * @returns for each target the medians of its rounds
 */
export const measureInTurn = async (targets, { rounds, seconds, unit }, say) => {
  for (const target of targets) await measureRound(target, Math.min(warmUpSeconds, seconds))
  const results = targets.map(() => [])
  for (let round = 1; round <= rounds; round += 1) {
    for (const [index, target] of targets.entries()) {
      const result = await measureRound(target, seconds)
      results[index].push(result)
      const rate = Math.round(result.perSecond)
      say(`round ${round} of ${rounds}: ${target.name}: ${rate} ${unit}/s`)
    }
  }
  return results.map((list) =>
    Object.fromEntries(
      Object.keys(list[0]).map((name) => [name, median(list.map((result) => result[name]))]),
    ),
  )
}
