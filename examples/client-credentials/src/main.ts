/** Runs the agent against a real authorization server and a real API, and checks what they say. */
import { deepStrictEqual, strictEqual } from 'node:assert'
import { createServer } from 'node:http'
import { closeAll, listen, startAuthServer } from '@behalf/example-stage'
import { createResearcher } from './agent.js'
import { createApi } from './api.js'

const server = createServer()
const port = await listen(server)
const url = `http://127.0.0.1:${port}/docs`
const { issuer, stop } = await startAuthServer({
  config: new URL('../behalf.config.json', import.meta.url),
  ports: new Map([[4100, port]]),
})
const api = createApi(issuer, url)
server.on('request', api.listener ?? (() => {}))

try {
  strictEqual((await fetch(url)).status, 401)
  console.log('✔ without a token the API answers 401')

  const read = createResearcher(issuer, 'example-secret-of-the-researcher')
  deepStrictEqual(await read(url), { document: '/docs', reader: 'researcher', tenant: 'acme' })
  console.log('✔ the agent found its way to a token, and the API knows it as researcher of acme')

  const stranger = createResearcher(issuer, 'a-secret-that-somebody-guessed')
  const refusal = await stranger(url).catch((error: { code?: unknown }) => error.code)
  strictEqual(refusal, 'invalid_client')
  console.log('✔ with a wrong secret there is no token')
} finally {
  api.close()
  closeAll([server])
  await stop()
}
