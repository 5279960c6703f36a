/** Runs one server, and three people of two tenants who look at its tools, and checks what they see. */
import { deepStrictEqual, match, strictEqual } from 'node:assert'
import {
  checkByTestKit,
  closeAll,
  createPerson,
  freePort,
  listen,
  startAuthServer,
} from '@behalf/example-stage'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { signIn } from './desktop.js'
import { createWorkServer } from './server.js'

const port = await freePort()
const resource = `http://127.0.0.1:${port}/mcp`
const { issuer, stop } = await startAuthServer({
  config: new URL('../behalf.config.json', import.meta.url),
  ports: new Map([[4131, port]]),
})
const server = createWorkServer({ issuer, resource })

const tokenOf = async (email: string, scope: string): Promise<string> => {
  const person = createPerson(issuer, { email, password: 'correct horse battery' })
  return signIn({ issuer, resource, scope }, person)
}

const connect = async (email: string, scope: string): Promise<Client> => {
  const token = await tokenOf(email, scope)
  const client = new Client({ name: 'desktop', version: '1.0.0' })
  const requestInit = { headers: { Authorization: `Bearer ${token}` } }
  await client.connect(new StreamableHTTPClientTransport(new URL(resource), { requestInit }))
  return client
}

const call = async (client: Client, name: string, args = {}): Promise<string> => {
  const { content, isError } = await client.callTool({ name, arguments: args })
  const [first] = content
  return `${isError ? 'refused: ' : ''}${first?.type === 'text' ? first.text : ''}`
}

/** What one person sees, and that they can call all of it. */
const checkTools = async (who: string, client: Client, expected: readonly string[]) => {
  const { tools } = await client.listTools()
  const names = tools.map(({ name }) => name)
  deepStrictEqual(names, expected)
  for (const name of names) {
    const said = await call(client, name, name === 'note' ? { line: 'a line' } : {})
    strictEqual(said.startsWith('refused'), false, said)
  }
  console.log(`✔ ${who}: ${names.join(', ')}`)
}

try {
  await listen(server, port)
  await checkByTestKit({
    name: 'a server for several tenants',
    url: resource,
    issuer,
    args: ['--token-env', 'TOKEN', '--tool', 'whoami', '--tool-scope', 'work'],
    env: { TOKEN: await tokenOf('alice@acme.test', 'work work:write') },
    tokens: { 'insufficient-scope': await tokenOf('bob@acme.test', 'work:write') },
  })
  const alice = await connect('alice@acme.test', 'work work:write')
  const bob = await connect('bob@acme.test', 'work')
  const carol = await connect('carol@globex.test', 'work work:write')

  await checkTools('Alice, owner of acme', alice, ['whoami', 'note', 'invoice', 'invite'])
  await checkTools('Bob, member of acme', bob, ['whoami', 'invoice'])
  await checkTools('Carol, owner of globex', carol, ['whoami', 'note', 'invite', 'audit'])
  strictEqual(await call(carol, 'whoami'), 'owner of globex')

  match(await call(bob, 'invite').catch(String), /not found|access_denied/)
  match(await call(carol, 'invoice').catch(String), /not found|access_denied/)
  match(await call(alice, 'audit').catch(String), /not found|access_denied/)
  console.log('✔ what is not shown cannot be called either')
  await Promise.all([alice.close(), bob.close(), carol.close()])
} finally {
  closeAll([server])
  await stop()
}
