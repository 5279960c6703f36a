/** Who sits at the browser. Types only: whoever asks about people needs none of their code. */

/** A person, as claims name them. RFC 9068 §2.2, OpenID Connect Core §5.1. */
export interface Person {
  /** `usr_…` */
  sub: string
  email: string
  emailVerified: boolean
  name: string
  picture: string | undefined
  role: 'user' | 'admin'
  /** Claims of the operator's own, as the configuration names them. */
  claims: Readonly<Record<string, unknown>>
  disabled: boolean
}

export interface Membership {
  tenant_id: string
  name: string
  orgRole: 'owner' | 'admin' | 'member'
  disabled: boolean
  claims: Readonly<Record<string, unknown>>
}

export interface PersonSession {
  id: string
  person: Person
  /** When they proved who they are; `max_age` counts from here. */
  authenticatedAt: Date
  memberships: readonly Membership[]
  /** The organization they have chosen, if they are in more than one. */
  activeTenantId: string | undefined
}

/** All that the rest of the server knows of people. Its code is loaded when it is first needed. */
export interface People {
  /** The session that this request's cookie stands for, if it is alive. */
  sessionOf: (request: Request) => Promise<PersonSession | undefined>
  /** As they are now: asked again at every refresh and exchange. */
  find: (sub: string) => Promise<{ person: Person; memberships: readonly Membership[] } | undefined>
  /** Ends the session; answers the Set-Cookie lines that clear it. */
  signOut: (request: Request) => Promise<readonly string[]>
  /** better-auth's own routes, under /auth/* */
  handle: (request: Request) => Promise<Response>
}
