/** Tasks of Turborepo, counted by package from the summary that it writes. */
import { readFileSync, rmSync } from 'node:fs'
import { turboArguments } from '../ensure-built.mjs'
import { capture } from '../process.mjs'
import { tool } from '../workspace.mjs'
import { one, sum } from './count.mjs'

const readSummary = (output) => {
  const path = /^\s*Summary:\s+(.+)$/m.exec(output)?.[1]
  if (!path) return []
  const { tasks } = JSON.parse(readFileSync(path, 'utf8'))
  rmSync(path)
  return tasks
}

const countTask = ({ taskId, execution }) => {
  const isFine = execution?.exitCode === 0
  process.stdout.write(`  ${isFine ? '✓' : '✗'} ${taskId}\n`)
  return one(isFine)
}

/** Runs the tasks and counts the last one, in each package that has it. */
export const turboStage = async (...tasks) => {
  const args = [...turboArguments(tasks), '--summarize']
  const { code, output } = await capture(tool('turbo'), args)
  if (code !== 0) process.stdout.write(`${output.trim()}\n`)
  const counted = readSummary(output).filter(
    ({ task, command }) => task === tasks.at(-1) && command !== '<NONEXISTENT>',
  )
  const total = sum(counted.map(countTask))
  return code !== 0 && total.failed === 0 ? sum([total, one(false)]) : total
}
