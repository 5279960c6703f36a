/** Runs both servers and an agent that calls them with the matching clients, and checks it all. */
import { deepStrictEqual, match, strictEqual } from 'node:assert'
import type { Server } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { budgetKey, denialKey } from '@behalf/mcp/server'
import { startAuthServer } from './auth-server.js'
import { type Answer, createResearcher, type Tools } from './clients.js'
import { startV1 } from './v1.js'
import { startV2 } from './v2.js'

const listen = async (server: Server, port = 0): Promise<number> => {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', resolve)
  })
  return (server.address() as AddressInfo).port
}

/** A port that is free now: a server's name must be known before it can be started. */
const freePort = async (): Promise<number> => {
  const server = createServer()
  const port = await listen(server)
  await new Promise((resolve) => server.close(resolve))
  return port
}

const [portV1, portV2] = [await freePort(), await freePort()]
const urlV1 = `http://127.0.0.1:${portV1}/mcp`
const urlV2 = `http://127.0.0.1:${portV2}/mcp`
const { issuer, stop } = await startAuthServer(
  new Map([
    [4101, portV1],
    [4102, portV2],
  ]),
)
const clientSecret = 'example-secret-of-the-docs-server'
const servers = [
  startV1({ issuer, resource: urlV1, clientSecret }),
  startV2({ issuer, resource: urlV2, clientSecret }),
] as const

const checkFree = async (name: string, tools: Tools): Promise<void> => {
  strictEqual((await tools.call('whoami')).text, 'researcher of acme')
  console.log(`✔ ${name}: a free tool knows who calls`)
}

const checkPaid = async (name: string, tools: Tools, left: string): Promise<void> => {
  const { text, _meta } = await tools.call('summarize', { document: 'The plan' })
  strictEqual(text, 'The plan, in short')
  deepStrictEqual(_meta[budgetKey], {
    action: 'docs.summarize',
    cost_usd: '0.04',
    remaining_usd: left,
  })
  console.log(`✔ ${name}: a paid tool has cost 0.04 USD, ${left} are left`)
}

const checkRefused = ({ isError, text, _meta }: Answer): void => {
  strictEqual(isError, true)
  match(text, /needs 0\.04 USD, and 0\.02 USD are left/)
  strictEqual((_meta[denialKey] as { error: string }).error, 'insufficient_budget')
}

try {
  await listen(servers[0], portV1)
  await listen(servers[1], portV2)
  for (const url of [urlV1, urlV2]) {
    strictEqual((await fetch(url, { method: 'POST' })).status, 401)
  }
  console.log('✔ nobody gets in without a token')

  const researcher = createResearcher(issuer, 'example-secret-of-the-researcher')
  const v1 = await researcher.connectV1(urlV1)
  const v2 = await researcher.connectV2(urlV2)
  await checkFree('v1', v1)
  await checkFree('v2', v2)
  await checkPaid('v1', v1, '0.06')
  // It holds a part of these few cents for its next call. The other server wants them now.
  await servers[0].giveBack()
  await checkPaid('v2', v2, '0.02')
  await servers[1].giveBack()
  checkRefused(await v1.call('summarize', { document: 'The plan' }))
  checkRefused(await v2.call('summarize', { document: 'The plan' }))
  console.log('✔ one budget for both: neither sells a third one')
  await checkFree('v1', v1)
  await checkFree('v2', v2)
  await Promise.all([v1.close(), v2.close()])
} finally {
  for (const server of servers) {
    server.closeAllConnections()
    server.close()
  }
  await stop()
}
