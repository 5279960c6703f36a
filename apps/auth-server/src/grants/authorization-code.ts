/** A person's yes, brought by the client that asked for it. RFC 6749 §4.1.3, RFC 7636 §4.5. */
import { agentLimitsClaim, grantTypes, OAuthError } from '@behalf/protocol'
import { grantOver } from '../authorization/grant-over.js'
import {
  actOf,
  type PersonGrant,
  personAuthority,
  personIssuance,
} from '../authorization/person-issuance.js'
import { s256 } from '../authorization/pkce.js'
import { personStanding } from '../authorization/standing.js'
import { type Deps, fromSeconds, toSeconds } from '../deps.js'
import type { Form } from '../form.js'
import { hashSecret, newSecret } from '../secrets.js'
import type { AuthorizationCode } from '../store/authorization-codes.js'
import type { Client } from '../store/clients.js'
import { type Consent, consentBudget } from '../store/consents.js'
import type { NewDelegation, Redemption } from '../store/issuances.js'
import type { Grant } from './grant.js'

const missing = (name: string): OAuthError =>
  new OAuthError('invalid_request', {
    description: `${name} is missing.`,
    reason: 'missing_parameter',
  })

/** One answer for a code that is unknown, another's, or asked for with another proof. */
const notYours = (): OAuthError =>
  grantOver('The authorization code is not one that this client can use.', 'unknown_code')

/**
 * Is this the client that asked, in the same breath? A stranger who holds the code fails here, and has
 * neither spent it nor revoked what it bought.
 */
const isAsker = (code: AuthorizationCode, client: Client, form: Form): boolean => {
  const redirectUri = form.get('redirect_uri')
  const isSame = redirectUri === code.redirect_uri
  return (
    code.client_id === client.client_id &&
    code.code_challenge === s256(form.get('code_verifier') ?? '') &&
    // RFC 6749 §4.1.3: said then, to be said again; said now, the same.
    (isSame || (redirectUri === undefined && !code.said_redirect_uri))
  )
}

const findCode = async (client: Client, form: Form, deps: Deps): Promise<AuthorizationCode> => {
  const text = form.get('code')
  if (text === undefined) throw missing('code')
  if (form.get('code_verifier') === undefined) throw missing('code_verifier')
  const code = await deps.store.authorizationCodes.find(hashSecret(text))
  if (!code || !isAsker(code, client, form)) throw notYours()
  return code
}

/** RFC 6749 §4.1.2: denied, and all that was given for it revoked. */
const checkUnused = async (code: AuthorizationCode, { store, now }: Deps): Promise<void> => {
  if (code.consumed_at === undefined) {
    if (code.expires_at > now()) return
    throw grantOver('The authorization code has expired.', 'code_expired')
  }
  await store.revocations.revoke(
    { delegation_id: code.lineage.at(-1) ?? '' },
    'code_replayed',
    now(),
  )
  throw grantOver('The authorization code was used already.', 'code_replayed')
}

const grantOf = async (
  code: AuthorizationCode,
  client: Client,
  deps: Deps,
): Promise<PersonGrant> => {
  const [standing, consent] = await Promise.all([
    personStanding(code.subject, code.tenant_id, deps),
    deps.store.consents.find(code.consent_id, deps.now()),
  ])
  if (!standing) throw grantOver('The person cannot use this any more.', 'person_disabled')
  if (!consent) throw grantOver('What the person agreed to has ended.', 'consent_over')
  const { scope, resources, lineage, authenticated_at: authenticatedAt, nonce } = code
  return { client, consent, standing, scope, resources, lineage, authenticatedAt, nonce }
}

const plus = (date: Date, seconds: number): Date => new Date(date.getTime() + seconds * 1000)

const earlier = (one: Date, other: Date | undefined): Date => (other && other < one ? other : one)

/** A person is asked again for what would never end. */
const familyEnd = ({ expires_at: over }: Consent, { now, lifetimes }: Deps): Date =>
  earlier(plus(now(), lifetimes.refreshAbsolute), over)

/** What the code buys has a delegation of its own, so that it can be taken back by itself. */
const delegationOf = (grant: PersonGrant, expiresAt: Date, deps: Deps): NewDelegation => {
  const { client, consent, lineage, resources } = grant
  const { scope, limits } = personAuthority(grant, toSeconds(expiresAt), deps)
  const { tenant_id, subject } = consent
  const tenantBudget = tenant_id === undefined ? [] : [`tenant:${tenant_id}`]
  return {
    ...{ lineage, tenant_id, subject, scope, resources },
    id: lineage.at(-1) ?? '',
    parent_id: lineage.at(-2) ?? '',
    actor: client.client_id,
    act: actOf(client, deps),
    limits: agentLimitsClaim(limits),
    // The consent's own money: nothing is set aside, and nothing refilled.
    budget_ids: [...tenantBudget, consentBudget(consent.id)],
    cap: undefined,
    set_aside: undefined,
    rule_ids: undefined,
    expires_at: expiresAt.toISOString(),
  }
}

const familyOf = (grant: PersonGrant, token: string, end: Date, deps: Deps) => ({
  token_hash: hashSecret(token),
  delegation_id: grant.lineage.at(-1) ?? '',
  client_id: grant.client.client_id,
  consent_id: grant.consent.id,
  authenticated_at: grant.authenticatedAt,
  created_at: deps.now(),
  expires_at: earlier(plus(deps.now(), deps.lifetimes.refreshIdle), end),
  family_expires_at: end,
})

export const authorizationCode: Grant = async ({ client, form }, deps) => {
  const code = await findCode(client, form, deps)
  await checkUnused(code, deps)
  const grant = await grantOf(code, client, deps)
  const issuance = await personIssuance(grant, form, deps)
  const isRefreshable = client.grant_types.includes(grantTypes.refreshToken)
  const refreshToken = isRefreshable ? newSecret('rt') : undefined
  const end = isRefreshable ? familyEnd(grant.consent, deps) : fromSeconds(issuance.expiresAt)
  const redemption: Redemption = {
    code_hash: code.code_hash,
    client_id: client.client_id,
    refresh_token:
      refreshToken === undefined ? undefined : familyOf(grant, refreshToken, end, deps),
  }
  return { ...issuance, newDelegation: delegationOf(grant, end, deps), redemption, refreshToken }
}
