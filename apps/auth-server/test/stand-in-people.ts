/** People without passwords: the cookie `person=usr_alice` names who sits at the browser. */
import type { Membership, People, Person, PersonSession } from '../src/people/person.js'

const cookieOf = (request: Request, name: string): string | undefined =>
  new RegExp(`(?:^|; )${name}=([^;]+)`).exec(request.headers.get('cookie') ?? '')?.[1]

export const memberOf = (tenant_id: string, more: Partial<Membership> = {}): Membership => ({
  tenant_id,
  name: tenant_id,
  orgRole: 'member',
  disabled: false,
  claims: {},
  ...more,
})

export interface StandIn {
  person: Person
  memberships: Membership[]
  authenticatedAt: Date
  activeTenantId: string | undefined
}

export const standIn = (name: string, more: Partial<Person> = {}): StandIn => ({
  person: {
    sub: `usr_${name}`,
    email: `${name}@acme.test`,
    emailVerified: true,
    name: `${name[0]?.toUpperCase()}${name.slice(1)}`,
    picture: undefined,
    role: 'user',
    claims: {},
    disabled: false,
    ...more,
  },
  memberships: [memberOf('acme')],
  authenticatedAt: new Date('2026-11-21T11:55:00Z'),
  activeTenantId: undefined,
})

/** A second cookie, `session=…`, tells apart two browsers of one person. */
export const standInPeople = (...list: StandIn[]) => {
  const bySub = new Map(list.map((one) => [one.person.sub, one]))
  const ended = new Set<string>()
  const sessionOf = async (request: Request): Promise<PersonSession | undefined> => {
    const found = bySub.get(cookieOf(request, 'person') ?? '')
    if (!found || found.person.disabled) return undefined
    const id = `ses_${found.person.sub}_${cookieOf(request, 'session') ?? '1'}`
    return ended.has(id) ? undefined : { id, ...found }
  }
  return {
    sessionOf,
    find: async (sub) => bySub.get(sub),
    signOut: async (request) => {
      const session = await sessionOf(request)
      if (session) ended.add(session.id)
      return ['person=; Path=/; Max-Age=0']
    },
    handle: async () => new Response(null, { status: 404 }),
    /** For tests to change somebody in the middle. */
    of: (sub: string): StandIn => {
      const found = bySub.get(sub)
      if (!found) throw new Error(`there is no ${sub}`)
      return found
    },
    ended,
  } satisfies People & Record<string, unknown>
}
