/** People without their passwords: a cookie `person=usr_alice` names who sits at the browser. */
import type { Membership, People, Person, PersonSession } from '../src/people/person.js'

export const membership = (tenant_id: string, more: Partial<Membership> = {}): Membership => ({
  tenant_id,
  name: `${tenant_id[0]?.toUpperCase()}${tenant_id.slice(1)}`,
  orgRole: 'member',
  disabled: false,
  claims: {},
  ...more,
})

export interface StandIn {
  person: Person
  memberships: Membership[]
  activeTenantId: string | undefined
}

export const standIn = (name: string, tenants: readonly string[]): StandIn => ({
  person: {
    sub: `usr_${name}`,
    email: `${name}@acme.test`,
    emailVerified: true,
    name: `${name[0]?.toUpperCase()}${name.slice(1)}`,
    picture: undefined,
    role: 'user',
    claims: {},
    disabled: false,
  },
  memberships: tenants.map((tenant) => membership(tenant)),
  activeTenantId: undefined,
})

/**
 * Alice belongs to acme, Bob to acme and globex, Carol to nobody. `person=usr_alice.2` is Alice in
 * another browser.
 */
export const createStandInPeople = (now: () => Date) => {
  const everybody = new Map<string, StandIn>(
    [standIn('alice', ['acme']), standIn('bob', ['acme', 'globex']), standIn('carol', [])].map(
      (one) => [one.person.sub, one],
    ),
  )
  const signedInAt = new Map<string, Date>()
  const signedOut = new Set<string>()
  const find = (sub: string): StandIn => {
    const found = everybody.get(sub)
    if (!found) throw new Error(`nobody is called ${sub}`)
    return found
  }
  const cookieOf = (request: Request): string | undefined =>
    /(?:^|;\s*)person=([^;]+)/.exec(request.headers.get('cookie') ?? '')?.[1]
  const people: People = {
    sessionOf: async (request): Promise<PersonSession | undefined> => {
      const cookie = cookieOf(request)
      const known = everybody.get(cookie?.split('.')[0] ?? '')
      if (cookie === undefined || !known || known.person.disabled) return undefined
      if (signedOut.has(cookie)) return undefined
      const authenticatedAt = signedInAt.get(cookie) ?? now()
      signedInAt.set(cookie, authenticatedAt)
      return { id: `ses_${cookie}`, ...structuredClone(known), authenticatedAt }
    },
    find: async (sub) => everybody.get(sub) && structuredClone(find(sub)),
    signOut: async (request) => {
      signedOut.add(cookieOf(request) ?? '')
      return ['person=; Path=/; Max-Age=0']
    },
    handle: async () => new Response(null, { status: 404 }),
  }
  return {
    ...people,
    /** To be changed as an administrator would. */
    who: find,
    /** Proves again who they are, now. */
    signIn: (cookie: string): void => {
      signedOut.delete(cookie)
      signedInAt.set(cookie, now())
    },
    isSignedOut: (cookie: string): boolean => signedOut.has(cookie),
  }
}

export type StandInPeople = ReturnType<typeof createStandInPeople>
