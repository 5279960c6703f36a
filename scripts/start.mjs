/** `npm start`: the authorization server on this machine. */
import { ensureBuilt } from './ensure-built.mjs'
import { runMain } from './process.mjs'
import { runProgram } from './run-program.mjs'

/**
 * Room for what lives for one request. With Node's own 16 MB much of it is copied before it dies: a fifth of
 * the server's CPU under load. Taken only as it is needed.
 */
const flags = ['--max-semi-space-size=64']

await runMain(async () => {
  await ensureBuilt()
  return runProgram('apps/auth-server/dist/main.js', process.argv.slice(2), flags)
})
