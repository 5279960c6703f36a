/** An agent that a person lets act for them, and that calls other agents in their name. */

import { createHash, randomBytes } from 'node:crypto'
import { type Agent, createAgent, discover } from '@behalf/client'
import type { Person } from '@behalf/example-stage'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'

export interface AgentSettings {
  issuer: string
  clientId: string
  clientSecret: string
  /** The agents that it may ask. */
  resources: readonly string[]
}

const redirectUri = 'http://127.0.0.1:6276/callback'

const authorizationUrl = async (
  { issuer, clientId, resources }: AgentSettings,
  challenge: string,
) => {
  const { authorization_endpoint: endpoint = '' } = await discover(issuer)
  const url = new URL(endpoint)
  url.search = new URLSearchParams([
    ['response_type', 'code'],
    ['client_id', clientId],
    ['redirect_uri', redirectUri],
    ['scope', 'plan code test'],
    ['code_challenge', challenge],
    ['code_challenge_method', 'S256'],
    ...resources.map((resource): [string, string] => ['resource', resource]),
  ]).toString()
  return url
}

/** The person's consent, as a token that is good at all of the resources. RFC 6749 §4.1, RFC 7636. */
const askPerson = async (settings: AgentSettings, person: Person): Promise<string> => {
  const { issuer, clientId, clientSecret } = settings
  const verifier = randomBytes(32).toString('base64url')
  const challenge = createHash('sha256').update(verifier).digest('base64url')
  const { searchParams: answer } = await person(await authorizationUrl(settings, challenge))
  // RFC 9207: an answer of another issuer is none.
  if (answer.get('iss') !== issuer) throw new Error('The answer is of another issuer.')
  const response = await fetch((await discover(issuer)).token_endpoint, {
    method: 'POST',
    headers: { Authorization: `Basic ${btoa(`${clientId}:${clientSecret}`)}` },
    body: new URLSearchParams({
      grant_type: 'authorization_code',
      code: answer.get('code') ?? '',
      code_verifier: verifier,
      redirect_uri: redirectUri,
    }),
  })
  const { access_token: token, error } = await response.json()
  if (typeof token !== 'string') throw new Error(`The token endpoint answered ${error}.`)
  return token
}

/** Calls the one tool of another agent. */
export const callWork = async (url: string, token: string, task: string): Promise<string> => {
  const client = new Client({ name: 'orchestrator', version: '1.0.0' })
  const requestInit = { headers: { Authorization: `Bearer ${token}` } }
  await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit }))
  const { content } = await client.callTool({ name: 'work', arguments: { task } })
  await client.close()
  const [first] = content
  return first?.type === 'text' ? first.text : ''
}

export interface ActingAgent {
  /** Its own, with its own tokens: nobody's but its. */
  agent: Agent
  /**
   * For one of the resources alone. The whole token would let each agent that is called go to the
   * others as the orchestrator.
   */
  tokenFor: (resource: string) => Promise<string>
}

/** Asks a person, and acts for them from then on. */
export const actFor = async (settings: AgentSettings, person: Person): Promise<ActingAgent> => {
  const agent = createAgent(settings)
  const whole = await askPerson(settings, person)
  return {
    agent,
    tokenFor: async (resource) =>
      (await agent.exchange({ subjectToken: whole, resource })).accessToken,
  }
}
