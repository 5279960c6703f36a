/** What an agent acts with at one MCP server: its own authority, what was lent to it, or an exchange. */
import type {
  Agent,
  AgentToken,
  DelegatedToken,
  ExchangeOptions,
  TokenRequest,
} from '@behalf/client'
import type { AskedScope } from './scope-plan.js'

/** What is used of an agent. */
export type ActingAgent = Pick<Agent, 'issuer' | 'clientId' | 'token' | 'exchange' | 'tokenRequest'>

/** By default an agent acts for itself. */
export interface ActingAs {
  /** What another agent or a person has lent it: an accepted hand-off. */
  delegated?: DelegatedToken | undefined
  /** A token to exchange, once for each renewal. RFC 8693. */
  exchange?: Pick<ExchangeOptions, 'subjectToken' | 'actorToken' | 'limits'> | undefined
}

export interface TokenSource {
  token(scope: AskedScope): Promise<AgentToken>
  /** The same, for the SDK to post. */
  request(scope: AskedScope): Promise<TokenRequest>
}

const lentSource = (delegated: DelegatedToken, resource: string): TokenSource => {
  if (!delegated.audience.includes(resource)) {
    throw new TypeError('agentAuthProvider: what was lent is for another resource.')
  }
  return { token: () => delegated.token(), request: () => delegated.tokenRequest() }
}

/** @throws TypeError for two ways at once, and for a delegated token that is for another resource */
export const createTokenSource = (
  agent: ActingAgent,
  resource: string,
  { delegated, exchange }: ActingAs,
): TokenSource => {
  if (delegated && exchange) {
    throw new TypeError('agentAuthProvider: name one of delegated and exchange.')
  }
  if (delegated) return lentSource(delegated, resource)
  if (!exchange) {
    return {
      token: (scope) => agent.token({ resource, scope }),
      request: (scope) => agent.tokenRequest({ resource, scope }),
    }
  }
  return {
    token: (scope) => agent.exchange({ ...exchange, resource, scope }),
    request: (scope) => agent.tokenRequest({ ...exchange, resource, scope }),
  }
}
