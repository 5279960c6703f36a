/** Any `fetch`, as an agent: for everything that is not a transport of the SDK, and for those too. */
import type { Agent, DelegatedToken, Fetch } from '@behalf/client'
import { createScopePlan, type ScopePlanOptions } from './scope-plan.js'

export interface WithAgentOptions extends ScopePlanOptions {
  /** @defaultValue that of the agent; without one, what the server's challenge and metadata say */
  resource?: string | undefined
}

type AnyFetch = (input: string | URL | Request, init?: RequestInit) => Promise<Response>

const lentFetch = (
  fetch: Fetch,
  delegated: Pick<DelegatedToken, 'fetch'>,
  options: WithAgentOptions,
): AnyFetch => {
  if (Object.values(options).some((value) => value !== undefined)) {
    throw new TypeError('withAgent: what was lent has its resource and scope, and takes no others.')
  }
  return (input, init) => delegated.fetch(input, init, { fetch })
}

/**
 * A `fetch` that brings the agent's token, or that of an accepted hand-off. It is renewed when it is
 * about to expire or refused, and a missing scope is asked for once, up to `maxScope`.
 *
 * @throws TypeError for options that could never work
 */
export const withAgent = (
  fetch: Fetch,
  agent: Pick<Agent, 'fetch' | 'token' | 'delegate'> | DelegatedToken,
  options: WithAgentOptions = {},
): AnyFetch => {
  if (!('delegate' in agent)) return lentFetch(fetch, agent, options)
  createScopePlan(options)
  const { resource, scope, maxScope = scope } = options
  return (input, init) => agent.fetch(input, init, { fetch, resource, scope, maxScope })
}
