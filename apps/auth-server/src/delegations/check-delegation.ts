/** Explains a yes or a no to a delegation: the decision of the exchange, without making anything. */
import {
  type AccessToken,
  agentLimitsClaim,
  formatScope,
  grantTypes,
  isOAuthError,
  OAuthError,
  type OAuthErrorCode,
} from '@behalf/protocol'
import { notFound } from '../budgets/charge-rights.js'
import { checkFunds } from '../budgets/escrow.js'
import { type Deps, toSeconds } from '../deps.js'
import type { Form } from '../form.js'
import { type ExchangeRequest, parseAsked, parseExchange } from '../grants/exchange-request.js'
import { checkConfidential, checkGrantType } from '../grants/grant.js'
import { decideExchange, type ExchangeDecision } from '../grants/token-exchange.js'
import { tooManyChildren } from '../issue-tokens.js'
import type { Client } from '../store/clients.js'
import type { Delegation } from '../store/delegations.js'
import { isParty } from './parties.js'

/** What the holder's own token would say, for who asks about a delegation without having one. */
const standingToken = (delegation: Delegation, { issuer, now, lifetimes }: Deps): AccessToken => {
  const issuedAt = toSeconds(now())
  const { expires_at: expires } = delegation
  return {
    issuer,
    subject: delegation.subject,
    audience: delegation.resources,
    clientId: delegation.actor,
    scope: delegation.scope,
    issuedAt,
    notBefore: undefined,
    expiresAt: expires ? toSeconds(expires) : issuedAt + lifetimes.ownToken,
    id: '',
    tenantId: delegation.tenant_id,
    role: undefined,
    agentType: undefined,
    act: delegation.act,
    mayAct: undefined,
    limits: delegation.limits,
    lineage: delegation.lineage,
    claims: {},
  }
}

const checkMayExchange = (client: Client): void => {
  checkGrantType(client, grantTypes.tokenExchange)
  checkConfidential(client)
}

/** Of a delegation: the question is what its holder could do with it. */
const aboutDelegation = async (id: string, form: Form, caller: Client, deps: Deps) => {
  const delegation = await deps.store.delegations.find(id)
  const asking = { client: caller, scope: caller.api_scope }
  if (!delegation || !(await isParty(delegation, asking, deps))) throw notFound()
  const holder = await deps.store.clients.find(delegation.actor)
  if (!holder) throw notFound()
  checkMayExchange(holder)
  const asked = await parseAsked(form, deps)
  const subjectToken = standingToken(delegation, deps)
  return { client: holder, request: { ...asked, subjectToken, actorToken: undefined } }
}

const question = async (
  form: Form,
  caller: Client,
  deps: Deps,
): Promise<{ client: Client; request: ExchangeRequest }> => {
  const id = form.get('delegation_id')
  if (id === undefined) {
    checkMayExchange(caller)
    return { client: caller, request: await parseExchange(form, deps) }
  }
  if (!form.has('subject_token') && !form.has('actor_token')) {
    return aboutDelegation(id, form, caller, deps)
  }
  throw new OAuthError('invalid_request', {
    description: 'Ask about a delegation or about a token, not about both.',
    reason: 'two_questions',
  })
}

const yes = ({ shape, hop, issuance }: ExchangeDecision, deps: Deps) => ({
  allowed: true,
  shape,
  scope: formatScope(issuance.scope),
  resources: issuance.newDelegation?.resources ?? issuance.audience,
  agent_limits: agentLimitsClaim(issuance.limits),
  expires_in: issuance.expiresAt - toSeconds(deps.now()),
  ...(hop && { rule_ids: hop.rule.ids }),
  ...(issuance.narrowed && { narrowed: issuance.narrowed }),
})

/** The checks that the exchange leaves to its record: room for one more, and money to set aside. */
const checkRecord = async ({ issuance }: ExchangeDecision, deps: Deps): Promise<void> => {
  const { newDelegation } = issuance
  if (!newDelegation) return
  if (!(await deps.store.issuances.hasRoomUnder(newDelegation.parent_id))) throw tooManyChildren()
  await checkFunds(newDelegation, deps)
}

/** The first check that failed, in the words of its refusal. */
const no = (error: OAuthError) => ({ allowed: false, ...error.toJSON() })

const answers: readonly OAuthErrorCode[] = [
  'access_denied',
  'invalid_request',
  'invalid_scope',
  'invalid_target',
  'unauthorized_client',
]

/** Refusals of the decision are answers; those of the question itself stay errors. */
const isAnswer = (error: unknown): error is OAuthError =>
  isOAuthError(error) && answers.includes(error.code)

/** @throws OAuthError when the question itself cannot be asked */
export const checkDelegation = async (form: Form, caller: Client, deps: Deps) => {
  checkConfidential(caller)
  try {
    const { client, request } = await question(form, caller, deps)
    const decision = await decideExchange(client, request, deps)
    await checkRecord(decision, deps)
    return yes(decision, deps)
  } catch (error) {
    if (isAnswer(error)) return no(error)
    throw error
  }
}
