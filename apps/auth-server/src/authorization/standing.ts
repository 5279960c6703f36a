/** Is the person still there, and still a member? Asked again whenever something is given for them. */
import type { Deps } from '../deps.js'
import type { Membership, Person } from '../people/person.js'

/** A person as they are now, seen from the organization that they act in. */
export interface PersonStanding {
  person: Person
  memberships: readonly Membership[]
  tenantId: string | undefined
}

export const isMember = (
  memberships: readonly Membership[],
  tenantId: string | undefined,
): boolean =>
  tenantId === undefined ||
  memberships.some(({ tenant_id, disabled }) => tenant_id === tenantId && !disabled)

/** @returns `undefined` for who is gone, switched off, or no member any more */
export const personStanding = async (
  subject: string,
  tenantId: string | undefined,
  { people }: Pick<Deps, 'people'>,
): Promise<PersonStanding | undefined> => {
  const found = await people.find(subject)
  if (!found || found.person.disabled || !isMember(found.memberships, tenantId)) return undefined
  return { ...found, tenantId }
}
