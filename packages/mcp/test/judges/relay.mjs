/** What the conformance tool starts for each scenario: it tells `judged.mjs` which, and how it ended. */
import { request } from 'node:http'

const { env, argv } = process
const run = {
  serverUrl: argv.at(-1),
  scenario: env.MCP_CONFORMANCE_SCENARIO ?? '',
  context: JSON.parse(env.MCP_CONFORMANCE_CONTEXT ?? '{}'),
  version: env.MCP_CONFORMANCE_PROTOCOL_VERSION,
}
const asked = request(
  { host: '127.0.0.1', port: env.BEHALF_JUDGED_PORT, method: 'POST' },
  (answer) => {
    answer.pipe(process.stderr)
    process.exitCode = answer.statusCode === 200 ? 0 : 1
  },
)
asked.end(JSON.stringify(run))
