/** Token exchange: authority changes hands and can only shrink. RFC 8693. */
import {
  type AccessToken,
  type Actor,
  type Authority,
  agentLimitsClaim,
  checkNextActor,
  extendActor,
  hardDelegationDepth,
  maxLineage,
  narrow,
  OAuthError,
} from '@behalf/protocol'
import { type Deps, fromSeconds, toSeconds } from '../deps.js'
import type { Issuance } from '../issue-tokens.js'
import type { Client } from '../store/clients.js'
import type { DelegationRule } from '../store/delegation-rules.js'
import type { Delegation } from '../store/delegations.js'
import type { NewDelegation } from '../store/issuances.js'
import { type ExchangeRequest, parseExchange } from './exchange-request.js'
import { type ExchangeShape, routeExchange } from './exchange-shape.js'
import { authorityOf, checkStanding } from './exchange-standing.js'
import { delegatedTokenSeconds, type Grant } from './grant.js'

interface Exchange {
  client: Client
  request: ExchangeRequest
  /** The delegation of the subject token. */
  parent: Delegation
  authority: Authority
}

/** Who acts afterwards, and the rule that lets them. */
interface Hop {
  actor: Client
  rule: DelegationRule
}

const notPermitted = (): OAuthError =>
  new OAuthError('access_denied', {
    description: 'No rule lets this client delegate to that actor.',
    reason: 'delegation_not_permitted',
    hint: 'Have an administrator add a delegation rule from the one to the other.',
  })

/** An actor that does not exist, is off or is another tenant's is refused as one without a rule. */
const findHop = async (from: string, to: string, tenantId: string | undefined, deps: Deps) => {
  const [actor, rule] = await Promise.all([
    deps.store.clients.find(to),
    deps.store.delegationRules.find(from, to),
  ])
  const permitted = actor && rule && !actor.disabled && actor.tenant_id === tenantId
  if (!permitted || rule.tenant_id !== tenantId) throw notPermitted()
  return { actor, rule }
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

const narrowed = (exchange: Exchange, hop: Hop | undefined, now: number): Authority => {
  const { authority, request } = exchange
  const expiresIn = hop?.rule.expires_in_seconds
  return narrow(
    authority,
    {
      scope: request.scope,
      resources: targetsOf(exchange),
      limits: request.limits,
      hop: hop !== undefined,
      overAsk: 'refuse',
    },
    hop && { ...hop.rule, expiresAt: expiresIn === undefined ? undefined : now + expiresIn },
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
    rule_id: hop?.rule.id,
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
  mayAct: undefined,
  exchanged: true,
})

/** The named actor becomes the outermost one, in the delegation that was made for it. */
const accept = (exchange: Exchange, now: number): Issuance => {
  const { client, parent, request } = exchange
  const granted = narrowed(exchange, undefined, now)
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
const extend = (
  exchange: Exchange,
  shape: ExchangeShape,
  hop: Hop | undefined,
  now: number,
  deps: Deps,
): Issuance => {
  const { client, request, parent } = exchange
  checkLineage(parent)
  const granted = narrowed(exchange, hop, now)
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

export const tokenExchange: Grant = async ({ client, form }, deps) => {
  if (client.token_endpoint_auth_method === 'none') {
    throw new OAuthError('unauthorized_client', {
      description: 'A public client cannot use this grant type.',
      reason: 'public_client',
    })
  }
  const request = await parseExchange(form, deps)
  const { subjectToken, actorToken } = request
  checkTenant(subjectToken, client, 'subject_token')
  if (actorToken) checkTenant(actorToken, client, 'actor_token')
  const shape = routeExchange(request, client, deps.issuer)
  const parent = await checkStanding(subjectToken, 'subject_token', deps)
  if (actorToken) await checkStanding(actorToken, 'actor_token', deps)
  const exchange = { client, request, parent, authority: authorityOf(parent, subjectToken) }
  const now = toSeconds(deps.now())
  if (shape.shape === 'accept') return accept(exchange, now)
  const to = nextActor(shape, client)
  if (to === undefined) return extend(exchange, shape, undefined, now, deps)
  checkNextActor(subjectToken, to, hardDelegationDepth)
  const hop = await findHop(parent.actor, to, client.tenant_id, deps)
  return extend(exchange, shape, hop, now, deps)
}
