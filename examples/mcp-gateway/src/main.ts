/** Runs the gateway, the server behind it and an agent that calls the first, and checks it all. */
import { match, strictEqual } from 'node:assert'
import { createAgent } from '@behalf/client'
import { checkByTestKit, closeAll, freePort, listen, startAuthServer } from '@behalf/example-stage'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { createDocsServer } from './docs-server.js'
import { createGateway } from './gateway.js'

const [gatewayPort, docsPort] = [await freePort(), await freePort()]
const gatewayUrl = `http://127.0.0.1:${gatewayPort}/mcp`
const docsUrl = `http://127.0.0.1:${docsPort}/mcp`
const { issuer, stop } = await startAuthServer({
  config: new URL('../behalf.config.json', import.meta.url),
  ports: new Map([
    [4121, gatewayPort],
    [4122, docsPort],
  ]),
})
const docs = createDocsServer({
  issuer,
  resource: docsUrl,
  clientSecret: 'example-secret-of-the-docs-server',
})
const gateway = createGateway(
  { issuer, resource: gatewayUrl, clientSecret: 'example-secret-of-the-gateway-server' },
  docsUrl,
)

/** All that the server behind was sent, as it came over the wire. */
const seen: string[] = []
docs.prependListener('request', ({ rawHeaders }) => seen.push(rawHeaders.join('\n')))

const clientSecret = 'example-secret-of-the-researcher'
const researcher = createAgent({ issuer, clientId: 'researcher', clientSecret })

/** With the credentials of the agent, as its own tokens are. */
const checkServer = async (name: string, url: string, tool: readonly string[]): Promise<void> => {
  const { accessToken } = await researcher.token({ resource: url, scope: 'docs:read' })
  await checkByTestKit({
    name,
    url,
    issuer,
    args: ['--client-id', 'researcher', '--client-secret-env', 'CLIENT_SECRET', ...tool],
    env: { CLIENT_SECRET: clientSecret },
    tokens: { 'insufficient-scope': accessToken },
  })
}

const askGateway = async (question: string) => {
  const client = new Client({ name: 'researcher', version: '1.0.0' })
  const transport = new StreamableHTTPClientTransport(new URL(gatewayUrl), {
    fetch: researcher.fetch,
  })
  await client.connect(transport)
  const { content, isError = false } = await client.callTool({
    name: 'ask',
    arguments: { question },
  })
  await client.close()
  const [first] = content
  return { isError, text: first?.type === 'text' ? first.text : '' }
}

try {
  await listen(docs, docsPort)
  await listen(gateway, gatewayPort)
  const cats = JSON.stringify({ question: 'cats' })
  const ask = ['--tool', 'ask', '--tool-scope', 'docs:ask', '--tool-arguments', cats]
  await checkServer('the gateway', gatewayUrl, ask)
  await checkServer('the server behind it', docsUrl, [])
  // What is held for the next call of the kit is wanted now.
  await docs.giveBack()
  seen.length = 0

  const { text } = await askGateway('cats')
  strictEqual(text, 'cats: found for researcher through gateway, with docs:read')
  console.log(`✔ ${text}`)

  const { accessToken } = await researcher.token({ resource: gatewayUrl })
  const headers = { Authorization: `Bearer ${accessToken}` }
  strictEqual((await fetch(docsUrl, { method: 'POST', headers })).status, 401)
  strictEqual(seen.slice(0, -1).join('\n').includes(accessToken), false)
  console.log('✔ what the gateway was called with opens nothing behind it, and was not sent there')

  await askGateway('dogs')
  const third = await askGateway('cows')
  strictEqual(third.isError, true)
  match(third.text, /needs 0\.04 USD, and 0\.02 USD are left/)
  console.log('✔ both draw on one budget: the third search is refused, and the agent can read why')
} finally {
  await docs.giveBack()
  closeAll([gateway, docs])
  await stop()
}
