/** Token exchange: authority changes hands and can only shrink. RFC 8693. */
import {
  type AccessToken,
  type Actor,
  type Authority,
  agentLimitsClaim,
  checkNextActor,
  extendActor,
  hardDelegationDepth,
  intersectScope,
  isOAuthError,
  maxLineage,
  narrow,
  narrowingReport,
  OAuthError,
} from '@behalf/protocol'
import { type Deps, fromSeconds, toSeconds } from '../deps.js'
import type { Issuance } from '../issue-tokens.js'
import type { Client } from '../store/clients.js'
import type { Delegation } from '../store/delegations.js'
import type { NewDelegation } from '../store/issuances.js'
import { findHop, type Hop } from './exchange-hop.js'
import { type ExchangeRequest, parseExchange } from './exchange-request.js'
import { type ExchangeShape, routeExchange } from './exchange-shape.js'
import { authorityOf, checkRulesStand, checkStanding } from './exchange-standing.js'
import { checkConfidential, delegatedTokenSeconds, type Grant } from './grant.js'
import { scopesOf } from './target.js'

interface Exchange {
  client: Client
  request: ExchangeRequest
  /** The delegation of the subject token. */
  parent: Delegation
  authority: Authority
}

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

/** Without a target of its own, a request keeps those of the token it presents. */
const targetsOf = ({ request, parent }: Exchange): readonly string[] | undefined => {
  const kept = request.subjectToken.audience.filter((one) => parent.resources.includes(one))
  return request.targets ?? (kept.length > 0 ? kept : undefined)
}

/** The targets first, since what may be asked of them depends on what they know. */
const knownScope = async (exchange: Exchange, deps: Deps): Promise<string[]> => {
  const { authority, parent } = exchange
  const wanted = { resources: targetsOf(exchange), hop: false, overAsk: 'trim' } as const
  const { resources } = narrow(authority, wanted)
  return scopesOf(resources, parent.tenant_id, deps)
}

const narrowed = async (
  exchange: Exchange,
  hop: Hop | undefined,
  now: number,
  deps: Deps,
): Promise<Authority> => {
  const { authority, request } = exchange
  const known = await knownScope(exchange, deps)
  const { scope = known, expiresInSeconds, ...rule } = hop?.rule ?? {}
  return narrow(
    authority,
    {
      scope: request.scope,
      resources: targetsOf(exchange),
      limits: request.limits,
      hop: hop !== undefined,
      overAsk: 'refuse',
    },
    {
      ...rule,
      scope: intersectScope(scope, known),
      expiresAt: expiresInSeconds === undefined ? undefined : now + expiresInSeconds,
    },
  )
}

const actorLink = (client: Client, issuer: string): Actor => ({
  sub: client.client_id,
  iss: issuer,
  client_id: client.client_id,
  sub_profile: client.kind === 'agent' ? 'ai_agent' : 'service',
})

const childOf = (
  exchange: Exchange,
  granted: Authority,
  actor: Client,
  act: Actor | undefined,
  hop: Hop | undefined,
  deps: Deps,
): NewDelegation => {
  const { parent } = exchange
  const id = deps.newId('dlg')
  return {
    id,
    parent_id: parent.id,
    lineage: [...parent.lineage, id],
    tenant_id: parent.tenant_id,
    subject: parent.subject,
    actor: actor.client_id,
    act,
    scope: granted.scope,
    resources: granted.resources,
    limits: agentLimitsClaim(granted.limits),
    budget_ids: [...parent.budget_ids, id],
    cap: granted.limits.costBudget?.toString(),
    rule_ids: hop?.rule.ids,
    expires_at: fromSeconds(granted.expiresAt).toISOString(),
  }
}

/** What all shapes have in common. */
const issuanceOf = ({ request, parent }: Exchange, granted: Authority, now: number) => ({
  subject: parent.subject,
  tenantId: parent.tenant_id,
  scope: granted.scope,
  limits: granted.limits,
  audience: granted.resources,
  expiresAt: Math.min(granted.expiresAt, now + delegatedTokenSeconds),
  parentJti: request.subjectToken.id,
  narrowed: narrowingReport(request, granted),
  mayAct: undefined,
  exchanged: true,
})

/** The named actor becomes the outermost one, in the delegation that was made for it. */
const accept = async (exchange: Exchange, now: number, deps: Deps): Promise<Issuance> => {
  const { client, parent, request } = exchange
  const granted = await narrowed(exchange, undefined, now, deps)
  if (granted.resources.length > 1 && !request.targets) {
    throw new OAuthError('invalid_target', {
      description: 'This hand-off covers several resources: name those that the token is for.',
      reason: 'resource_required',
    })
  }
  return {
    ...issuanceOf(exchange, granted, now),
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
  const issuance = issuanceOf(exchange, granted, now)
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
  if (token.tenantId === client.tenant_id) return
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
