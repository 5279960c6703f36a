/** The parameters of a token exchange, parsed and held to their rules. RFC 8693 §2.1. */
import {
  type AccessToken,
  type AgentLimits,
  agentLimitsSchema,
  type BudgetMode,
  budgetModes,
  clientId,
  isOAuthError,
  OAuthError,
  parseJsonObject,
  parseScope,
  tokenTypes,
} from '@behalf/protocol'
import type { Deps } from '../deps.js'
import type { Form } from '../form.js'
import { verifyAccessToken } from '../verify-access-token.js'
import { requestedTargets } from './target.js'

export interface ExchangeRequest {
  subjectToken: AccessToken
  actorToken: AccessToken | undefined
  requestedActor: string | undefined
  scope: string[] | undefined
  targets: string[] | undefined
  limits: AgentLimits | undefined
  /** Whether the budget of the child is set aside. Absent: it is shared. */
  budgetMode: BudgetMode | undefined
}

const refuse = (description: string, reason: string, hint?: string): OAuthError =>
  new OAuthError('invalid_request', { description, reason, hint })

const acceptedTypes = new Set<string>([tokenTypes.accessToken, tokenTypes.jwt])

const known = [
  'subject_token',
  'subject_token_type',
  'actor_token',
  'actor_token_type',
  'requested_token_type',
  'requested_actor',
  'resource',
  'audience',
  'scope',
  'agent_limits',
  'budget_mode',
]

/** A parameter that is there without a value is not absent: dropping it could widen what is asked. */
const checkNotEmpty = (form: Form): void => {
  const empty = known.find((name) => form.has(name) && form.get(name) === undefined)
  if (empty) throw refuse(`${empty} is empty.`, 'empty_parameter')
}

/** Limits outside `agent_limits` would be ignored, and the token would lack them. */
const strayLimit =
  /^(agent_limits.|limits|budget(?!_mode$)|cost|currency|requests_per_hour|max_cost|max_delegation_depth|allowed_actions)/

const checkNoStrayLimits = (form: Form): void => {
  if (!form.names().some((name) => strayLimit.test(name))) return
  throw refuse(
    'A limit stands outside agent_limits.',
    'stray_limit',
    'Send all limits in one parameter: agent_limits={"cost_budget_usd":"0.08"}.',
  )
}

const checkTokenTypes = (form: Form): void => {
  if (!acceptedTypes.has(form.get('subject_token_type') ?? '')) {
    throw refuse('subject_token_type must be that of an access token.', 'subject_token_type')
  }
  if (form.has('actor_token') !== form.has('actor_token_type')) {
    // RFC 8693 §2.1: REQUIRED with actor_token, and MUST NOT be there without it.
    throw refuse('actor_token and actor_token_type go together.', 'actor_token_type')
  }
  const actorTokenType = form.get('actor_token_type')
  if (actorTokenType !== undefined && !acceptedTypes.has(actorTokenType)) {
    throw refuse('actor_token_type must be that of an access token.', 'actor_token_type')
  }
  const requested = form.get('requested_token_type')
  if (requested !== undefined && !acceptedTypes.has(requested)) {
    throw refuse('Only access tokens are issued here.', 'requested_token_type')
  }
}

/** RFC 8693 §2.2.2: an unacceptable subject or actor token is `invalid_request`. */
const readToken = (token: string, name: string, deps: Deps): AccessToken => {
  try {
    const parsed = verifyAccessToken(token, deps)
    if (parsed.claims.cnf === undefined) return parsed
  } catch (error) {
    if (!isOAuthError(error)) throw error
    throw new OAuthError('invalid_request', {
      description: `The ${name} is not acceptable.`,
      reason: `${name}_${error.reason ?? 'invalid'}`,
      cause: error,
    })
  }
  // Exchanging a sender-bound token without its key would turn it into a bearer token.
  throw refuse(`The ${name} is bound to a key.`, `${name}_sender_bound`)
}

const parseLimits = (text: string): AgentLimits => {
  let json: unknown
  try {
    // As strict as for a token: of a member that is there twice, who knows which one was meant?
    json = parseJsonObject(new TextEncoder().encode(text))
  } catch {
    throw refuse('agent_limits is not a JSON object of distinct members.', 'malformed_limits')
  }
  const result = agentLimitsSchema.safeParse(json)
  if (result.success) return result.data
  const issue = result.error.issues[0]
  const path = ['agent_limits', ...(issue?.path ?? [])].join('.')
  throw refuse(`${path}: ${issue?.message ?? 'is malformed'}.`, 'malformed_limits')
}

const parseBudgetMode = (text: string): BudgetMode => {
  const mode = budgetModes.find((one) => one === text)
  if (mode) return mode
  throw refuse(`budget_mode must be ${budgetModes.join(' or ')}.`, 'malformed_budget_mode')
}

const optional = <T>(value: string | undefined, parse: (value: string) => T): T | undefined =>
  value === undefined ? undefined : parse(value)

/**
 * What is asked for, whatever it is asked of.
 *
 * @throws OAuthError `invalid_request`, `invalid_scope` or `invalid_target`
 */
export const parseAsked = async (
  form: Form,
  deps: Deps,
): Promise<Omit<ExchangeRequest, 'subjectToken' | 'actorToken'>> => {
  checkNotEmpty(form)
  checkNoStrayLimits(form)
  const requestedActor = form.get('requested_actor')
  if (requestedActor !== undefined && !clientId.safeParse(requestedActor).success) {
    throw refuse('requested_actor is not a client_id.', 'malformed_requested_actor')
  }
  return {
    requestedActor,
    scope: optional(form.get('scope'), parseScope),
    targets: await requestedTargets(form, deps),
    limits: optional(form.get('agent_limits'), parseLimits),
    budgetMode: optional(form.get('budget_mode'), parseBudgetMode),
  }
}

/** @throws OAuthError `invalid_request`, `invalid_scope` or `invalid_target` */
export const parseExchange = async (form: Form, deps: Deps): Promise<ExchangeRequest> => {
  checkNotEmpty(form)
  checkNoStrayLimits(form)
  checkTokenTypes(form)
  const subjectToken = form.get('subject_token')
  if (subjectToken === undefined) throw refuse('subject_token is missing.', 'empty_parameter')
  return {
    subjectToken: readToken(subjectToken, 'subject_token', deps),
    actorToken: optional(form.get('actor_token'), (token) => readToken(token, 'actor_token', deps)),
    ...(await parseAsked(form, deps)),
  }
}
