/** Token exchange: authority changes hands and can only shrink. RFC 8693. */
import {
  type AccessToken,
  checkNextActor,
  extendActor,
  hardDelegationDepth,
  isOAuthError,
  maxLineage,
  OAuthError,
} from '@behalf/protocol'
import { type Deps, toSeconds } from '../deps.js'
import type { Issuance } from '../issue-tokens.js'
import type { Client } from '../store/clients.js'
import type { Delegation } from '../store/delegations.js'
import { actorLink, childOf, issuanceOf } from './exchange-child.js'
import { findHop, type Hop } from './exchange-hop.js'
import { type Exchange, narrowed } from './exchange-narrowing.js'
import { type ExchangeRequest, parseExchange } from './exchange-request.js'
import { type ExchangeShape, routeExchange } from './exchange-shape.js'
import { authorityOf, checkRulesStand, checkStanding, isOfTenant } from './exchange-standing.js'
import { checkConfidential, type Grant } from './grant.js'

const nextActor = (shape: ExchangeShape, client: Client): string | undefined => {
  if (shape.shape === 'narrow' || shape.shape === 'accept') return undefined
  return shape.shape === 'pull' ? client.client_id : shape.to
}

const checkLineage = (parent: Delegation): void => {
  if (parent.lineage.length < maxLineage) return
  throw new OAuthError('access_denied', {
    description: 'The lineage of this token is too long to be extended.',
    reason: 'max_depth',
  })
}

const madeAlready = (): OAuthError =>
  new OAuthError('invalid_request', {
    description: 'Who made the delegation has said whether its budget is shared or set aside.',
    reason: 'budget_mode_not_applicable',
  })

/** The named actor becomes the outermost one, in the delegation that was made for it. */
const accept = async (exchange: Exchange, now: number, deps: Deps): Promise<Issuance> => {
  const { client, parent, request } = exchange
  const granted = await narrowed(exchange, undefined, now, deps)
  if (request.budgetMode !== undefined) throw madeAlready()
  if (granted.resources.length > 1 && !request.targets) {
    throw new OAuthError('invalid_target', {
      description: 'This hand-off covers several resources: name those that the token is for.',
      reason: 'resource_required',
    })
  }
  return {
    ...issuanceOf(exchange, granted, now, deps),
    kind: 'access_token',
    actor: client,
    act: parent.act,
    lineage: parent.lineage,
    newDelegation: undefined,
  }
}

/** Everything but accepting makes a child delegation: the same actor's, or the next one's. */
const extend = async (
  exchange: Exchange,
  shape: ExchangeShape,
  hop: Hop | undefined,
  now: number,
  deps: Deps,
): Promise<Issuance> => {
  const { client, request, parent } = exchange
  checkLineage(parent)
  const granted = await narrowed(exchange, hop, now, deps)
  const { act: previous } = request.subjectToken
  const act = hop ? extendActor(actorLink(hop.actor, deps.issuer), previous) : previous
  const actor = hop?.actor ?? client
  const child = childOf(exchange, granted, actor, act, hop, deps)
  const issuance = issuanceOf(exchange, granted, now, deps)
  const common = { ...issuance, lineage: child.lineage, newDelegation: child }
  if (shape.shape !== 'hand_off') return { ...common, kind: 'access_token', actor, act }
  return {
    ...common,
    kind: 'hand_off',
    // The giver holds it, and it is good for nothing at any resource.
    actor: client,
    act: previous,
    audience: [deps.issuer],
    mayAct: { sub: actor.client_id, client_id: actor.client_id },
    // It lives as long as what it hands over, so that the actor can come back for a fresh token.
    expiresAt: granted.expiresAt,
  }
}

const checkTenant = (token: AccessToken, client: Client, name: string): void => {
  if (isOfTenant(client, token)) return
  throw new OAuthError('invalid_request', {
    description: `The ${name} is not acceptable.`,
    reason: `${name}_tenant_mismatch`,
  })
}

/** What an exchange would come to: decided, and nothing made yet. */
export interface ExchangeDecision {
  shape: ExchangeShape['shape']
  hop: Hop | undefined
  issuance: Issuance
}

/** Names the rule under which something was refused, so that someone can go and read it. */
const withRules = (error: OAuthError, { rule }: Hop): OAuthError => {
  const { code, description, reason, hint, details } = error
  return new OAuthError(code, {
    description,
    reason,
    hint,
    details: { ...details, rule_ids: rule.ids },
  })
}

const decideStanding = async (
  exchange: Exchange,
  shape: ExchangeShape,
  deps: Deps,
): Promise<Omit<ExchangeDecision, 'shape'>> => {
  const now = toSeconds(deps.now())
  if (shape.shape === 'accept')
    return { hop: undefined, issuance: await accept(exchange, now, deps) }
  const { client, parent, request } = exchange
  const to = nextActor(shape, client)
  if (to === undefined) {
    return { hop: undefined, issuance: await extend(exchange, shape, undefined, now, deps) }
  }
  checkNextActor(request.subjectToken, to, hardDelegationDepth)
  const hop = await findHop(parent, to, shape.shape === 'pull' ? 'pull' : 'push', deps)
  try {
    return { hop, issuance: await extend(exchange, shape, hop, now, deps) }
  } catch (error) {
    throw isOAuthError(error) ? withRules(error, hop) : error
  }
}

/**
 * The whole decision, in the order in which a refusal tells least: tenant, shape, what is alive, who
 * may, how much. The token endpoint mints what comes out; the check endpoint shows it.
 *
 * @throws OAuthError
 */
export const decideExchange = async (
  client: Client,
  request: ExchangeRequest,
  deps: Deps,
): Promise<ExchangeDecision> => {
  const { subjectToken, actorToken } = request
  checkTenant(subjectToken, client, 'subject_token')
  if (actorToken) checkTenant(actorToken, client, 'actor_token')
  const shape = routeExchange(request, client, deps.issuer)
  const standing = await checkStanding(subjectToken, 'subject_token', deps)
  if (actorToken) await checkStanding(actorToken, 'actor_token', deps)
  await checkRulesStand(standing, deps)
  const { own: parent } = standing
  const authority = authorityOf(parent, subjectToken)
  const decided = await decideStanding({ client, request, parent, authority }, shape, deps)
  return { shape: shape.shape, ...decided }
}

export const tokenExchange: Grant = async ({ client, form }, deps) => {
  checkConfidential(client)
  return (await decideExchange(client, await parseExchange(form, deps), deps)).issuance
}
