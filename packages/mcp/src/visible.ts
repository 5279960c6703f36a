/** Who may know of what stands on a server: by tenant, by role, or by whatever a function says. */
import { OAuthError } from '@behalf/protocol'
import type { Caller } from '@behalf/verifier'

/** Everything that is named must hold. Of each list one is enough. */
export interface Audience {
  /** `tenant_id` of the token. */
  tenants?: readonly string[] | undefined
  /** `role` of the token, which is the current actor's. */
  roles?: readonly string[] | undefined
  /** `org_role` of the token: the part that a person has in the organization. */
  orgRoles?: readonly string[] | undefined
}

/**
 * A function is asked for each request, and only `true` lets in: what throws or gives a promise does
 * not. One that is a type predicate says what the handler gets as its caller.
 */
export type Visible<C extends Caller = Caller> =
  | Audience
  | ((caller: Caller) => caller is C)
  | ((caller: Caller) => boolean)

/** Why this is not for the caller; `undefined` where it is. */
export type Admit = (caller: Caller) => OAuthError | undefined

export interface CheckedVisible {
  admit: Admit
  /** All there is to say of it, as text; `undefined` for a function, which may hold anything. */
  declared: string | undefined
}

const misuse = (problem: string): TypeError => new TypeError(`visible: ${problem}`)

const excluded = (reason: string): OAuthError =>
  new OAuthError('access_denied', { description: 'This is not for this caller.', reason })

const memberNames = new Set(['tenants', 'roles', 'orgRoles'])

const isList = (list: unknown): boolean =>
  Array.isArray(list) && list.length > 0 && list.every((one) => typeof one === 'string' && one)

/** A name that is misspelt would leave open what was meant to be closed. */
const checkAudience = (audience: Audience): Audience => {
  const members = Object.entries(audience).filter(([, list]) => list !== undefined)
  if (members.length === 0) throw misuse('name tenants, roles or orgRoles, or leave it out.')
  for (const [name, list] of members) {
    if (!memberNames.has(name)) throw misuse(`"${name}" is not tenants, roles or orgRoles.`)
    if (!isList(list)) throw misuse(`${name} must be a list of texts with something in it.`)
  }
  return structuredClone(audience)
}

const isIn = (list: readonly string[] | undefined, value: unknown): boolean =>
  list === undefined || (typeof value === 'string' && list.includes(value))

const admitAudience =
  ({ tenants, roles, orgRoles }: Audience): Admit =>
  ({ tenantId, role, claims }) => {
    if (!isIn(tenants, tenantId)) return excluded('wrong_tenant')
    if (!isIn(roles, role)) return excluded('wrong_role')
    if (!isIn(orgRoles, claims.org_role)) return excluded('wrong_org_role')
    return undefined
  }

const isAdmitted = (visible: (caller: Caller) => boolean, caller: Caller): boolean => {
  try {
    return visible(caller) === true
  } catch {
    return false
  }
}

/** @throws TypeError for what could never work */
export const checkVisible = (visible: Visible | undefined): CheckedVisible => {
  if (visible === undefined) return { admit: () => undefined, declared: '' }
  if (typeof visible === 'function') {
    const admit: Admit = (caller) =>
      isAdmitted(visible, caller) ? undefined : excluded('not_visible')
    return { admit, declared: undefined }
  }
  if (typeof visible !== 'object' || visible === null) {
    throw misuse('must be a function, or an object with tenants, roles or orgRoles.')
  }
  const audience = checkAudience(visible)
  return { admit: admitAudience(audience), declared: JSON.stringify(audience) }
}
