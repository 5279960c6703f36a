/** Asks whether something would be lent, as `delegate` would ask, without making anything. */
import { type Parts, resourcesOf } from './agent-parts.js'
import { type OneOrMore, readResources } from './asked.js'
import { lendOwnToken } from './client-credentials.js'
import { askCheck, type DelegationAnswer } from './explanation.js'
import type { Form } from './token-endpoint.js'
import { askedForm, type NarrowOptions, subjectForm } from './token-exchange.js'
import { type DelegationLike, delegationIdOf, freshText, type TokenLike } from './token-like.js'

export interface ExplainOptions extends Omit<NarrowOptions, 'audience'> {
  /** The `client_id` of the agent to lend to. Absent: what could be kept, or taken. */
  to?: string | undefined
  /** What to hand on. Absent: the agent's own authority. */
  token?: TokenLike | undefined
  /** What its holder could hand on, for who lent it or holds it. Not together with `token`. */
  delegationId?: DelegationLike | undefined
}

const formOf = (options: ExplainOptions, resource: OneOrMore): Form => {
  const { to, scope, limits, budgetMode } = options
  return askedForm({ requestedActor: to, resource, scope, limits, budgetMode })
}

const aboutDelegation = (parts: Parts, id: string, options: ExplainOptions) => {
  const form: Form = [['delegation_id', id], ...formOf(options, options.resource)]
  return askCheck(parts.endpoint, form, { from: `the holder of ${id}`, to: options.to })
}

const isStale = (answer: DelegationAnswer): boolean =>
  !answer.allowed && answer.code === 'invalid_request'

const aboutToken = async (parts: Parts, options: ExplainOptions) => {
  const { token, to } = options
  const { issuer, clientId } = parts.settings
  const resources =
    token === undefined ? resourcesOf(parts, options.resource) : readResources(options.resource)
  const use = (subjectToken: string): Promise<DelegationAnswer> => {
    const form: Form = [...subjectForm(subjectToken), ...formOf(options, resources)]
    return askCheck(parts.endpoint, form, { from: clientId, to })
  }
  if (token !== undefined) return use(await freshText(token, issuer))
  return lendOwnToken(parts, { resources, scope: [] }, { use, isStale })
}

export const explain = async (parts: Parts, options: ExplainOptions): Promise<DelegationAnswer> => {
  const { token, delegationId } = options
  if (delegationId === undefined) return aboutToken(parts, options)
  if (token === undefined) {
    return aboutDelegation(parts, delegationIdOf(delegationId, parts.settings.issuer), options)
  }
  throw new TypeError('explain: ask about a token or about a delegation, not about both.')
}
