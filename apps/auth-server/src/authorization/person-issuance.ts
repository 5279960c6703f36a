/** The token that a client gets for a person: by a code, by a refresh token, by a device. */
import { type Actor, type Authority, type NarrowRule, narrow, parseScope } from '@behalf/protocol'
import { type Deps, toSeconds } from '../deps.js'
import type { Form } from '../form.js'
import { actorLink } from '../grants/exchange-child.js'
import { requestedTargets } from '../grants/target.js'
import type { Issuance } from '../issue-tokens.js'
import type { Client } from '../store/clients.js'
import type { Consent } from '../store/consents.js'
import { mayReach, scopeByTarget, unknownTarget, wordsOf } from './reachable.js'
import type { PersonStanding } from './standing.js'

/** What was given, and to whom, whichever way it comes out now. */
export interface PersonGrant {
  client: Client
  consent: Consent
  standing: PersonStanding
  /** What the code or the refresh token stands for. */
  scope: readonly string[]
  resources: readonly string[]
  /** From the consent's root to the delegation of this grant. */
  lineage: readonly string[]
  authenticatedAt: Date
  nonce: string | undefined
}

/** A token that is for no resource is for what the issuer says of the person. */
const targetsOf = ({ resources }: PersonGrant, { issuer }: Deps): readonly string[] =>
  resources.length === 0 ? [issuer] : resources

/** What a registration has lost since is lost here too; it never widens what was agreed to. */
const ruleOf = (grant: PersonGrant, deps: Deps): NarrowRule => {
  const { client } = grant
  const isKept = (target: string) => target === deps.issuer || mayReach(client, target)
  return {
    scope: client.scope,
    resources: targetsOf(grant, deps).filter(isKept),
    limits: client.agent_limits,
  }
}

/** All that the grant comes to today. @throws OAuthError when nothing is left of it */
export const personAuthority = (grant: PersonGrant, expiresAt: number, deps: Deps): Authority => {
  const { consent, scope } = grant
  const over = consent.expires_at && toSeconds(consent.expires_at)
  const agreed = { scope, resources: targetsOf(grant, deps), limits: consent.limits, expiresAt }
  return narrow(agreed, { expiresAt: over, hop: false, overAsk: 'refuse' }, ruleOf(grant, deps))
}

/** RFC 6749 §6 and RFC 8707 §2.2: less may be asked for than was given, never more. */
const narrowed = async (held: Authority, form: Form, deps: Deps): Promise<Authority> => {
  const text = form.get('scope')
  const scope = text === undefined ? undefined : parseScope(text)
  const resources = await requestedTargets(form, deps)
  const granted = narrow(held, { scope, resources, hop: false, overAsk: 'refuse' })
  const targets = granted.resources.filter((target) => target !== deps.issuer)
  const known = await scopeByTarget(granted.scope, targets, deps)
  const left = granted.resources.filter((one) => one === deps.issuer || known[one] !== undefined)
  // Of several, those that are gone are left out; who names one, or has no other, is told.
  if (left.length === 0 || (resources && left.length < granted.resources.length))
    throw unknownTarget()
  return { ...granted, resources: left, scope: wordsOf(granted.scope, known) }
}

/** OpenID Connect Core §5.3: with `openid` the token is good at the issuer's `/userinfo` as well. */
const audienceOf = ({ resources, scope }: Authority, issuer: string): string[] => [
  ...new Set([...resources, ...(scope.includes('openid') ? [issuer] : [])]),
]

/** An agent acts, and says so. An application is how the person acts. */
export const actOf = (client: Client, { issuer }: Deps): Actor | undefined =>
  client.kind === 'agent' ? actorLink(client, issuer) : undefined

/** @throws OAuthError `invalid_scope`, `invalid_target` when more is asked for, or nothing is left */
export const personIssuance = async (
  grant: PersonGrant,
  form: Form,
  deps: Deps,
): Promise<Issuance> => {
  const { client, consent, standing, authenticatedAt, nonce } = grant
  const held = personAuthority(grant, toSeconds(deps.now()) + deps.lifetimes.ownToken, deps)
  const { scope, limits, expiresAt, ...granted } = await narrowed(held, form, deps)
  return {
    ...{ scope, limits, expiresAt },
    kind: 'access_token',
    subject: consent.subject,
    actor: client,
    act: actOf(client, deps),
    mayAct: undefined,
    tenantId: consent.tenant_id,
    audience: audienceOf({ ...granted, scope, limits, expiresAt }, deps.issuer),
    lineage: grant.lineage,
    newDelegation: undefined,
    parentJti: undefined,
    narrowed: undefined,
    exchanged: false,
    person: { ...standing, authenticatedAt, nonce },
  }
}
