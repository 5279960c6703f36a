/**
 * `npm run demo`: the whole story on an embedded database. With `--json` (`npm run -s demo -- --json`)
 * standard output holds the example's JSON and nothing else: our own progress is standard error.
 */
import { ensureBuilt } from './ensure-built.mjs'
import { runMain } from './process.mjs'
import { runProgram } from './run-program.mjs'

await runMain(async () => {
  await ensureBuilt()
  return runProgram('examples/research-team/dist/main.js', process.argv.slice(2))
})
