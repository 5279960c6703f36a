/** One job, done by the floor, ours and the peers in alternating rounds. */
import { setTimeout as sleep } from 'node:timers/promises'
import { openForms } from './forms.mjs'
import { measureInTurn } from './measure.mjs'
import { toReport } from './report.mjs'
import { startTargets } from './targets.mjs'

/**
 * @param job `{ names, unit, connections, title, keeps, notes?, loads(target, forms) }`: `loads` checks
 *   that a target does the job, and returns it with `load` once, or more often under other names
 * @param {(line: string) => void} say shows progress
 * @param {{ seconds: number, rounds: number }} timing
 */
export const measureSideBySide = async (job, say, timing) => {
  const { names, unit, loads } = job
  const forms = openForms()
  const { targets, stop } = await startTargets(names, say)
  try {
    const loaded = []
    for (const target of targets) {
      say(`Checking ${target.name}`)
      loaded.push(...(await loads(target, forms)))
    }
    const results = await measureInTurn(loaded, { ...timing, unit }, say)
    return toReport(loaded, results, job)
  } finally {
    // What was under way when the load ended is done first.
    await sleep(1000)
    await stop()
    forms.close()
  }
}
