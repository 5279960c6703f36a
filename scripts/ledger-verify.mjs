/** `npm run ledger:verify`: checks the books of the database in DATABASE_URL. */
import { ensureBuilt } from './ensure-built.mjs'
import { runMain } from './process.mjs'
import { runProgram } from './run-program.mjs'

await runMain(async () => {
  await ensureBuilt()
  return runProgram('apps/auth-server/dist/main.js', ['ledger:verify'])
})
