/** What may be said about a person, by what was granted. OpenID Connect Core §5.1 and §5.4. */
import type { Membership, Person } from './people/person.js'

/** Claims that protocols and this server give their meaning: no configuration can change one. */
const reserved: ReadonlySet<string> = new Set([
  // RFC 7519 §4.1
  ...['iss', 'sub', 'aud', 'exp', 'nbf', 'iat', 'jti'],
  // OpenID Connect Core §2 and §3.3.2.11, OpenID Connect Back-Channel Logout §2.4
  ...['auth_time', 'nonce', 'acr', 'amr', 'azp', 'at_hash', 'c_hash', 's_hash', 'sid', 'events'],
  // OpenID Connect Core §5.1 and §5.6: what says who somebody is
  ...['name', 'picture', 'email', 'email_verified', '_claim_names', '_claim_sources'],
  // RFC 9068 §2.2, RFC 8693 §4, RFC 7800 §3.1, RFC 9396 §9.1
  ...['client_id', 'scope', 'act', 'may_act', 'cnf', 'authorization_details'],
  // This server's own, and what introspection adds (RFC 7662 §2.2)
  ...['role', 'tenant_id', 'org_role', 'organization_ids', 'active', 'token_type'],
  '__proto__',
])

/** True for the names that a custom claim cannot have, short or namespaced. */
export const isReservedClaim = (name: string): boolean =>
  reserved.has(name) || name.startsWith('agent_')

/** Whom claims are about, and as a member of which organization. */
export interface ClaimsSource {
  person: Person
  memberships: readonly Membership[]
  /** The organization that was chosen when the person agreed. */
  tenantId: string | undefined
}

const membershipOf = ({ memberships, tenantId }: ClaimsSource): Membership | undefined =>
  memberships.find(({ tenant_id, disabled }) => tenant_id === tenantId && !disabled)

/** The operator's own claims: the organization's, and over them the person's. Never a reserved one. */
export const customClaims = (source: ClaimsSource): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries({ ...membershipOf(source)?.claims, ...source.person.claims }).filter(
      ([name, value]) => !isReservedClaim(name) && value !== undefined,
    ),
  )

/** What they are here, and where they belong. Of organizations that are switched off, nothing. */
export const standingClaims = (source: ClaimsSource): Record<string, unknown> => {
  const membership = membershipOf(source)
  const alive = source.memberships.filter(({ disabled }) => !disabled)
  return {
    role: source.person.role,
    ...(membership && { tenant_id: membership.tenant_id, org_role: membership.orgRole }),
    organization_ids: alive.map(({ tenant_id }) => tenant_id),
  }
}

/** OpenID Connect Core §5.4: `profile` and `email` ask for what says who they are. */
const scopedClaims = ({ person }: ClaimsSource, scope: readonly string[]) => ({
  ...(scope.includes('profile') && {
    name: person.name,
    ...(person.picture !== undefined && { picture: person.picture }),
  }),
  ...(scope.includes('email') && { email: person.email, email_verified: person.emailVerified }),
})

/** Everything that the ID token and `/userinfo` say about a person, but `sub`. */
export const personClaims = (
  source: ClaimsSource,
  scope: readonly string[],
): Record<string, unknown> => ({
  ...customClaims(source),
  ...standingClaims(source),
  ...scopedClaims(source, scope),
})
