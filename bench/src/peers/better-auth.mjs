/** better-auth with @better-auth/oauth-provider. It keeps nothing of a JWT access token. */
import { createServer } from 'node:http'
import { toNodeHandler } from 'better-auth/node'
import { createAuth } from './better-auth-options.mjs'

const { BENCH_RESOURCE, BETTER_AUTH_SECRET, BENCH_CLIENT_ID, DATABASE_URL, PORT } = process.env
const url = `http://127.0.0.1:${PORT}`

const { auth } = createAuth({
  databaseUrl: DATABASE_URL,
  url,
  secret: BETTER_AUTH_SECRET,
  resource: BENCH_RESOURCE,
  cachedClients: [BENCH_CLIENT_ID],
})
createServer(toNodeHandler(auth)).listen(PORT, '127.0.0.1', () => {
  process.stdout.write(`listening on ${url}\n`)
})
process.once('SIGTERM', () => process.exit(0))
