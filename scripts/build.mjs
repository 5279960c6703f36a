/** `npm run build`: installs and builds everything that has changed. */
import { ensureBuilt } from './ensure-built.mjs'
import { runMain } from './process.mjs'

await runMain(ensureBuilt)
