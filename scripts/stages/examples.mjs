/** Every example is a test: it exits non-zero when anything surprises it. */
import { join } from 'node:path'
import { capture, secondsSince } from '../process.mjs'
import { listWorkspaces, root, tool } from '../workspace.mjs'
import { one, sum, sumOf } from './count.mjs'

/** The demo tells its steps as JSON: `{ "steps": [{ "title": "…", "ok": true }] }`. */
const countSteps = ({ code, stdout }) => {
  let steps
  try {
    steps = JSON.parse(stdout).steps
  } catch {
    steps = undefined
  }
  if (!Array.isArray(steps) || steps.length === 0) return one(false)
  const count = sum(steps.map(({ ok }) => one(ok === true)))
  return code !== 0 && count.failed === 0 ? sum([count, one(false)]) : count
}

const countExit = ({ code }) => one(code === 0)

const isDemo = ({ folder }) => folder === 'examples/research-team'

/** How an example is run: as people run the demo, by its own test script, or as it is. */
const commandOf = (example) => {
  if (isDemo(example)) return [process.execPath, [join(root, 'scripts/demo.mjs'), '--json']]
  if (example.scripts.test) return [tool('pnpm'), ['run', 'test']]
  return [process.execPath, [join(example.path, 'dist/main.js')]]
}

const runExample = async (example) => {
  const [command, args] = commandOf(example)
  const begun = performance.now()
  const result = await capture(command, args, { cwd: example.path, timeout: 180_000 })
  const count = isDemo(example) ? countSteps(result) : countExit(result)
  const isFine = count.failed === 0
  process.stdout.write(
    `  ${isFine ? '✓' : '✗'} ${example.folder}, exit code ${result.code}, ${secondsSince(begun)}\n`,
  )
  if (!isFine) process.stdout.write(`${result.output.trimEnd()}\n`)
  return count
}

/** What the others stand on tells nothing. */
const isStage = ({ folder }) => folder === 'examples/stage'

/** An example that has a source and was not built fails here: it is not passed over. */
export const examples = () =>
  sumOf(
    listWorkspaces().filter(
      (workspace) => workspace.room === 'examples' && workspace.hasSource && !isStage(workspace),
    ),
    runExample,
  )
