/** `npm run bench`: measures the server side by side with its peers. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { ensureBuilt } from './ensure-built.mjs'
import { runMain } from './process.mjs'
import { runProgram } from './run-program.mjs'
import { root } from './workspace.mjs'

const entry = 'bench/src/main.mjs'

await runMain(async () => {
  if (!existsSync(join(root, entry))) {
    process.stdout.write('There is nothing to measure yet.\n')
    return 0
  }
  await ensureBuilt()
  return runProgram(entry, process.argv.slice(2))
})
