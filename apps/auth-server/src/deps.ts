/** What every endpoint and grant is given. Built once, in `server.ts`. */
import type { Logger } from 'pino'
import type { OpenHolds } from './budgets/open-holds.js'
import type { Keys } from './keys.js'
import type { PersonPrefix } from './people/auth.js'
import type { PeopleAtSignIn } from './people/people.js'
import type { People } from './people/person.js'
import type { RateLimits } from './rate-limits/rate-limits.js'
import type { Registration } from './registration/registration.js'
import type { Retention } from './retention.js'
import type { Seal } from './seal.js'
import type { Store } from './store/store.js'

/** Seconds. */
export interface Lifetimes {
  /** At most: of an access token that a client gets for itself or for a person, and of an ID token. */
  ownToken: number
  /** At most: of an access token under a delegation. */
  delegatedToken: number
  refreshIdle: number
  refreshAbsolute: number
  refreshGrace: number
}

export interface Deps {
  /** One exact string everywhere. RFC 8414 §2. */
  issuer: string
  store: Store
  keys: Keys
  seal: Seal
  lifetimes: Lifetimes
  retention: Retention
  /** Of pages that may use this server. Absent: any. */
  allowedOrigins: readonly string[] | undefined
  /** Whether the metadata names the resources that belong to no tenant, and their scopes. */
  listResources: boolean
  openHolds: OpenHolds
  people: People
  /** What only the pages of sign-in use. */
  signIn: PeopleAtSignIn
  registration: Registration
  rateLimits: RateLimits
  now: () => Date
  /** Milliseconds. */
  wait: (ms: number) => Promise<unknown>
  /** A fresh id such as `dlg_…`, 128 random bits. */
  newId: (prefix: 'at' | 'cns' | 'dlg' | 'lse' | 'rsv' | PersonPrefix) => string
  log: Logger
}

/** RFC 7519 NumericDate of a date. */
export const toSeconds = (date: Date): number => Math.floor(date.getTime() / 1000)

export const fromSeconds = (seconds: number): Date => new Date(seconds * 1000)
