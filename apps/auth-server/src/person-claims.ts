/** What may be said about a person, by what was granted. OpenID Connect Core §5.1 and §5.4. */
import type { Membership, Person } from './people/person.js'
import { isReservedClaim } from './people/reserved-claims.js'

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
