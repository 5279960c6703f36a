/** `npm start`: the authorization server on this machine. */
import { ensureBuilt } from './ensure-built.mjs'
import { runMain } from './process.mjs'
import { runProgram } from './run-program.mjs'

await runMain(async () => {
  await ensureBuilt()
  return runProgram('apps/auth-server/dist/main.js', process.argv.slice(2))
})
