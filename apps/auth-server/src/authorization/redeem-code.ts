/** Redeems the yes of a person: for an authorization code, and for a device code. RFC 6749 §4.1.3. */
import { agentLimitsClaim, grantTypes } from '@behalf/protocol'
import { type Deps, fromSeconds, toSeconds } from '../deps.js'
import type { Form } from '../form.js'
import type { Issuance } from '../issue-tokens.js'
import { hashSecret, newSecret } from '../secrets.js'
import type { AuthorizationCode } from '../store/authorization-codes.js'
import type { Client } from '../store/clients.js'
import { type Consent, consentBudget } from '../store/consents.js'
import type { NewDelegation, Redemption } from '../store/issuances.js'
import { grantOver } from './grant-over.js'
import { actOf, type PersonGrant, personAuthority, personIssuance } from './person-issuance.js'
import { personStanding } from './standing.js'

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

/** Whoever brings it has proved that it is theirs. It is spent by the statement that records the token. */
export const redeemCode = async (
  code: AuthorizationCode,
  { client, form }: { client: Client; form: Form },
  deps: Deps,
): Promise<Issuance> => {
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
