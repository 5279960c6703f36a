/** The client that the conformance tool of the MCP project runs, once for each of its scenarios. */
import { createAgent } from '@behalf/client'
import { agentAuthProvider } from '@behalf/mcp/client'
import {
  Client,
  StreamableHTTPClientTransport,
  UnauthorizedError,
} from '@modelcontextprotocol/client'
import { createPerson } from './person.mjs'

const { env, argv } = process
const serverUrl = new URL(argv.at(-1))
const scenario = env.MCP_CONFORMANCE_SCENARIO ?? ''
const context = JSON.parse(env.MCP_CONFORMANCE_CONTEXT ?? '{}')
const isModern = env.MCP_CONFORMANCE_PROTOCOL_VERSION === '2026-07-28'

/** What an operator writes into a configuration, and the tool tells over the wire only. */
const configured = async () => {
  const { href, origin, pathname } = serverUrl
  for (const path of [pathname, '']) {
    const response = await fetch(`${origin}/.well-known/oauth-protected-resource${path}`)
    if (!response.ok) continue
    const { resource, authorization_servers: servers } = await response.json()
    return { resource: href.startsWith(resource) ? resource : href, issuer: servers?.[0] }
  }
  return { resource: href }
}

const createAgentProvider = async () => {
  const { resource, issuer } = await configured()
  const {
    client_id: clientId,
    client_secret: clientSecret,
    private_key_pem,
    signing_algorithm,
  } = context
  const clientKey = { privateKey: private_key_pem, algorithm: signing_algorithm }
  const proof = private_key_pem ? { clientKey } : { clientSecret }
  return agentAuthProvider({ agent: createAgent({ issuer, clientId, ...proof }), resource })
}

const isAgent = scenario.startsWith('auth/client-credentials')
const isSignIn = scenario.startsWith('auth/') && !isAgent
const createConfiguredPerson = async () => createPerson({ ...(await configured()), ...context })
const person = isSignIn ? await createConfiguredPerson() : undefined
const authProvider = isAgent ? await createAgentProvider() : person?.provider

const connect = async () => {
  const capabilities = { elicitation: { form: { applyDefaults: true } }, sampling: {}, roots: {} }
  const client = new Client(
    { name: 'judged', version: '1.0.0' },
    { capabilities, versionNegotiation: { mode: isModern ? { pin: '2026-07-28' } : 'auto' } },
  )
  client.setRequestHandler('elicitation/create', () => ({
    action: 'accept',
    content: { confirmed: true },
  }))
  client.setRequestHandler('roots/list', () => ({ roots: [] }))
  const transport = new StreamableHTTPClientTransport(serverUrl, { authProvider })
  return { client, transport, open: () => client.connect(transport) }
}

/** Signs the person in where the server asks for it, a few times at most. */
const signedIn = async (work, transport) => {
  for (let attempt = 0; attempt < 3; attempt += 1) {
    try {
      return await work()
    } catch (error) {
      if (!person || !(error instanceof UnauthorizedError)) throw error
      await person.finish(transport())
    }
  }
  throw new Error('signed in three times, and still refused')
}

let connection
await signedIn(
  async () => {
    connection = await connect()
    await connection.open()
  },
  () => connection.transport,
)
const { client, transport } = connection
const call = (name, args) =>
  signedIn(
    () => client.callTool({ name, arguments: args }),
    () => transport,
  )

const { tools } = await signedIn(
  () => client.listTools(),
  () => transport,
)
const calls = context.toolCalls ?? tools.map(({ name }) => ({ name, arguments: { a: 5, b: 3 } }))
for (const { name, arguments: args } of calls) await call(name, args)
await transport.close()
process.exit(0)
