/** The live tree as this agent sees it: why not, what is lent now, and taking back. */
import { type Delegation, delegationPageSchema } from '@behalf/protocol'
import { forget, type Parts } from './agent-parts.js'
import { type AgentBudget, closeBudget } from './budget.js'
import { type ExplainOptions, explain } from './explain.js'
import type { DelegationAnswer } from './explanation.js'
import { callApi, parseAnswer, requireEndpoint, unusableAnswer } from './server-api.js'
import type { TokenEndpoint } from './token-endpoint.js'
import { type DelegationLike, delegationIdOf } from './token-like.js'

export interface ListOptions {
  /** The principal acted for. */
  subject?: string | undefined
  /** The `client_id` of the one who holds it. */
  actor?: string | undefined
  /** This delegation and all below it. */
  under?: DelegationLike | undefined
  /** Of a page, 100 at most. @defaultValue the server's */
  limit?: number | undefined
  /** The `nextCursor` of the page before. */
  cursor?: string | undefined
}

export interface DelegationPage {
  /** Members as spelt on the wire. */
  readonly delegations: readonly Delegation[]
  /** `undefined`: there are no more. */
  readonly nextCursor: string | undefined
}

export interface Delegations {
  /** Would this be lent, and if not, why not? As `delegate` would ask, without making anything. */
  explain(options: ExplainOptions): Promise<DelegationAnswer>
  /** Takes a delegation back, and with it all that hangs below it. */
  revoke(delegation: DelegationLike): Promise<void>
  /**
   * Ends the escrow of a delegation: what it has not spent goes back to the budgets above. For its
   * holder, and for those above it in its chain.
   */
  closeBudget(delegation: DelegationLike): Promise<AgentBudget>
  /** What is alive now of what this agent holds, lent, or is acted for by. */
  list(options?: ListOptions): Promise<DelegationPage>
  /** The same, page after page. */
  all(options?: ListOptions): AsyncGenerator<Delegation, void, undefined>
}

/** A page of a hundred, each with a long chain and many actions. */
const maxPageBytes = 4_194_304

const endpointOf = async (endpoint: TokenEndpoint): Promise<string> => {
  const { delegations_endpoint } = await endpoint.discovery()
  return requireEndpoint(
    delegations_endpoint,
    'listing of delegations',
    'delegations_not_supported',
  )
}

const queryOf = (options: ListOptions, issuer: string): string => {
  const { subject, actor, limit, cursor } = options
  const under = options.under === undefined ? undefined : delegationIdOf(options.under, issuer)
  const members = { subject, actor, under, limit: limit?.toString(), cursor }
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(members)) {
    if (value !== undefined) query.append(name, value)
  }
  return query.size > 0 ? `?${query}` : ''
}

const listDelegations = async (
  endpoint: TokenEndpoint,
  options: ListOptions,
): Promise<DelegationPage> => {
  const query = queryOf(options, endpoint.settings.issuer)
  const url = (await endpointOf(endpoint)) + query
  const body = await callApi(url, endpoint.settings, { maxBytes: maxPageBytes })
  const { delegations, next_cursor } = parseAnswer(delegationPageSchema, body)
  return Object.freeze({ delegations, nextCursor: next_cursor })
}

/** Page after page. A cursor that comes back would go round for ever. */
async function* allDelegations(
  endpoint: TokenEndpoint,
  options: ListOptions,
): AsyncGenerator<Delegation, void, undefined> {
  const seen = new Set<string | undefined>()
  let { cursor } = options
  do {
    if (seen.has(cursor)) throw unusableAnswer()
    seen.add(cursor)
    const page = await listDelegations(endpoint, { ...options, cursor })
    yield* page.delegations
    cursor = page.nextCursor
  } while (cursor !== undefined)
}

const revokeDelegation = async (endpoint: TokenEndpoint, id: string): Promise<void> => {
  const url = `${await endpointOf(endpoint)}/${id}/revoke`
  await callApi(url, endpoint.settings, { method: 'POST' })
}

export const createDelegations = (parts: Parts): Delegations =>
  Object.freeze<Delegations>({
    explain: (options) => explain(parts, options),
    revoke: async (delegation) => {
      const id = delegationIdOf(delegation, parts.settings.issuer)
      await revokeDelegation(parts.endpoint, id)
      forget(parts, id)
    },
    closeBudget: async (delegation) =>
      closeBudget(parts.endpoint, delegationIdOf(delegation, parts.settings.issuer)),
    list: (options = {}) => listDelegations(parts.endpoint, options),
    all: (options = {}) => allDelegations(parts.endpoint, options),
  })
