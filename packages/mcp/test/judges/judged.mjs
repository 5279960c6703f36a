/**
 * One process for all scenarios: to start a client for each of them takes longer than what it does. It
 * hears of each from `relay.mjs`, which the tool runs in its place.
 */
import { createServer } from 'node:http'
import { json } from 'node:stream/consumers'
import { runScenario } from './client.mjs'

// What one client leaves behind is not the end of the others.
process.on('unhandledRejection', (error) => console.error(error))

const server = createServer(async (request, response) => {
  const { serverUrl, ...run } = await json(request)
  try {
    await runScenario({ ...run, serverUrl: new URL(serverUrl) })
    response.end()
  } catch (error) {
    response.statusCode = 500
    response.end(String(error?.stack ?? error))
  }
})
server.listen(0, '127.0.0.1', () => console.log(server.address().port))
