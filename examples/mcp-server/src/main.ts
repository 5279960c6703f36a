/** Runs the four servers and an agent that calls them, and checks it all. */
import { deepStrictEqual, match, strictEqual } from 'node:assert'
import { closeAll, freePort, listen, startAuthServer } from '@behalf/example-stage'
import { runConformance, tokensFrom } from '@behalf/mcp/conformance'
import { budgetKey, denialKey } from '@behalf/mcp/server'
import { type Answer, createResearcher, type Tools } from './clients.js'
import { startExpress } from './express.js'
import { startHono } from './hono.js'
import { startV1 } from './v1.js'
import { startV2 } from './v2.js'

const kinds = [
  { name: 'v1', start: startV1 },
  { name: 'v2', start: startV2 },
  { name: 'Hono', start: startHono },
  { name: 'Express', start: startExpress },
]

const opened = await Promise.all(kinds.map(async (kind) => ({ ...kind, port: await freePort() })))
const { issuer, stop } = await startAuthServer({
  config: new URL('../behalf.config.json', import.meta.url),
  ports: new Map(opened.map(({ port }, index) => [4101 + index, port])),
})
const clientSecret = 'example-secret-of-the-docs-server'
const places = opened.map(({ name, start, port }) => {
  const url = `http://127.0.0.1:${port}/mcp`
  return { name, port, url, server: start({ issuer, resource: url, clientSecret }) }
})
const researcher = createResearcher(issuer, 'example-secret-of-the-researcher')

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

/** Everything that can be forged from a good token, and all that a challenge should say. */
const checkConformance = async (name: string, url: string): Promise<void> => {
  const tokens = tokensFrom(() => researcher.token(url))
  const { passed, results } = await runConformance({ url, issuer, tokens })
  deepStrictEqual(
    results.filter(({ status }) => status === 'failed').map(({ id, seen }) => `${id}: ${seen}`),
    [],
  )
  console.log(`✔ ${name}: ${passed} checks of the test kit have passed, and none has failed`)
}

const connect = async (name: string, url: string): Promise<Tools> =>
  name === 'v1' ? researcher.connectV1(url) : researcher.connectV2(url)

try {
  for (const { server, port } of places) await listen(server, port)
  for (const { name, url } of places) await checkConformance(name, url)

  const connected = await Promise.all(
    places.map(async (place) => ({ ...place, tools: await connect(place.name, place.url) })),
  )
  for (const { name, tools } of connected) await checkFree(name, tools)
  const left = ['0.06', '0.02']
  for (const [index, { name, tools, server }] of connected.slice(0, 2).entries()) {
    await checkPaid(name, tools, left[index] ?? '')
    // It holds a part of these few cents for its next call. The other servers want them now.
    await server.giveBack()
  }
  for (const { tools } of connected) {
    checkRefused(await tools.call('summarize', { document: 'The plan' }))
  }
  console.log('✔ one budget for all: none of them sells a third one')
  for (const { name, tools } of connected) await checkFree(name, tools)
  for (const { tools } of connected) await tools.close()
} finally {
  closeAll(places.map(({ server }) => server))
  await stop()
}
