/** The client that the conformance tool of the MCP project judges, in one of its scenarios. */
import { createAgent } from '@behalf/client'
import { agentAuthProvider } from '@behalf/mcp/client'
import {
  Client,
  StreamableHTTPClientTransport,
  UnauthorizedError,
} from '@modelcontextprotocol/client'
import { createPerson } from './person.mjs'

/** What an operator writes into a configuration, and the tool tells over the wire only. */
const configured = async (serverUrl) => {
  const { href, origin, pathname } = serverUrl
  for (const path of [pathname, '']) {
    const response = await fetch(`${origin}/.well-known/oauth-protected-resource${path}`)
    if (!response.ok) continue
    const { resource, authorization_servers: servers } = await response.json()
    return { resource: href.startsWith(resource) ? resource : href, issuer: servers?.[0] }
  }
  return { resource: href }
}

const createAgentProvider = async ({ serverUrl, context }) => {
  const { resource, issuer } = await configured(serverUrl)
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

/** Nobody, an agent, or a person: the scenario says by its name whom it is about. */
const createIdentity = async (run) => {
  const { scenario, serverUrl, context } = run
  if (scenario.startsWith('auth/client-credentials')) {
    return { authProvider: await createAgentProvider(run) }
  }
  if (!scenario.startsWith('auth/')) return {}
  const person = createPerson({ ...(await configured(serverUrl)), ...context })
  return { person, authProvider: person.provider }
}

const connect = ({ serverUrl, version }, authProvider) => {
  const capabilities = { elicitation: { form: { applyDefaults: true } }, sampling: {}, roots: {} }
  const client = new Client(
    { name: 'judged', version: '1.0.0' },
    {
      capabilities,
      versionNegotiation: { mode: version === '2026-07-28' ? { pin: version } : 'auto' },
    },
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
const signedIn = async (person, work, transport) => {
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

/** @throws whatever the client throws, which some scenarios want to see */
export const runScenario = async (run) => {
  const { person, authProvider } = await createIdentity(run)
  let connection
  const transport = () => connection.transport
  const doSignedIn = (work) => signedIn(person, work, transport)
  try {
    await doSignedIn(async () => {
      connection = connect(run, authProvider)
      await connection.open()
    })
    const { client } = connection
    const { tools } = await doSignedIn(() => client.listTools())
    const all = tools.map(({ name }) => ({ name, arguments: { a: 5, b: 3 } }))
    for (const { name, arguments: args } of run.context.toolCalls ?? all) {
      await doSignedIn(() => client.callTool({ name, arguments: args }))
    }
  } finally {
    await connection?.transport.close().catch(() => undefined)
  }
}
