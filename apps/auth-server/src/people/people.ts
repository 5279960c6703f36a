/** People, as the rest of the server knows them. Sessions are read here; better-auth is not needed. */
import { hkdfSync } from 'node:crypto'
import { OAuthError } from '@behalf/protocol'
import type { Logger } from 'pino'
import type { Database } from '../store/database.js'
import type { SessionRecord } from '../store/people.js'
import type { Store } from '../store/store.js'
import { type Accounts, createAccounts } from './accounts.js'
import type { Auth, PersonPrefix } from './auth.js'
import { createBreachedPasswords } from './breached-passwords.js'
import { hashAhead } from './hash-ahead.js'
import { createInvitedSignUp, type InvitedSignUp } from './invited-sign-up.js'
import { createLetters } from './letters.js'
import { createLimits, type Limits } from './limits.js'
import { type Mailer, missingMailer, printingMailer, webhookMailer } from './mailer.js'
import { createOrganizations, type Organizations } from './organizations.js'
import { createPasswords, type PasswordCost } from './passwords.js'
import type { PeopleConfig } from './people-config.js'
import type { People, PersonSession } from './person.js'
import { isOpenRoute } from './routes.js'
import { clearSessionCookie, readSessionToken } from './session-cookie.js'

export interface PeopleOptions {
  issuer: string
  /** The server secret; what is used here is derived from it. */
  secret: string
  config: PeopleConfig
  database: Database
  store: Store
  now: () => Date
  newId: (prefix: PersonPrefix) => string
  log: Logger
  /** In place of the configured way. */
  mailer?: Mailer | undefined
  passwordCost?: PasswordCost | undefined
  /** Processes that share this machine. */
  workers?: number | undefined
}

/** All of it: what everybody may know, and what only our own pages do. */
export interface PeopleAtSignIn {
  people: People
  accounts: Accounts
  limits: Limits
  organizations: Organizations
  invitedSignUp: InvitedSignUp
  config: PeopleConfig
}

const deriveSecret = (secret: string): string =>
  Buffer.from(hkdfSync('sha256', secret, '', 'behalf people', 32)).toString('base64url')

const isLoopback = (issuer: string): boolean =>
  /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(new URL(issuer).hostname)

const chooseMailer = ({ mailer, config, issuer, log }: PeopleOptions): Mailer => {
  if (mailer) return mailer
  if (config.mail) {
    const { webhook_url: url, webhook_secret: secret } = config.mail
    return webhookMailer({ url, secret: typeof secret === 'string' ? secret : undefined })
  }
  return isLoopback(issuer) ? printingMailer(log) : missingMailer(log)
}

/** Runs once, at the first call. One that fails, or is forgotten, is run again at the next. */
const once = <T>(run: () => Promise<T>) => {
  let running: Promise<T> | undefined
  const forget = (): void => {
    running = undefined
  }
  const get = (): Promise<T> => {
    running ??= run().catch((error: unknown) => {
      forget()
      throw error
    })
    return running
  }
  return { get, forget }
}

const toSession = (record: SessionRecord): PersonSession => {
  const { id, person, memberships, createdAt: authenticatedAt, activeTenantId } = record
  const chosen = memberships.find(({ tenant_id }) => tenant_id === activeTenantId)
  const isOpen = chosen !== undefined && !chosen.disabled
  const tenantId = isOpen ? chosen.tenant_id : undefined
  return { id, person, authenticatedAt, memberships, activeTenantId: tenantId }
}

const notFound = (): OAuthError =>
  new OAuthError('not_found', { description: 'There is nothing at this address.' })

export const openPeople = (options: PeopleOptions): PeopleAtSignIn => {
  const { issuer, config, database, store, now, newId, log } = options
  const secret = deriveSecret(options.secret)
  const passwords = hashAhead(createPasswords(options.passwordCost, options.workers))
  const letters = createLetters(issuer, chooseMailer(options), log)
  const { url, when_unreachable: whenUnreachable, enabled } = config.breached_passwords
  const isBreached = enabled
    ? createBreachedPasswords({ url, whenUnreachable, log })
    : async () => 'fine' as const
  const join = (userId: string, organizationId: string) =>
    store.people.join({ id: newId('mbr'), userId, organizationId, role: 'member' })
  const { find, confirmEmail } = store.people
  const { get: load, forget: reload } = once(async (): Promise<Auth> => {
    const { createAuth } = await import('./auth.js')
    const shared = { issuer, secret, config, database, passwords, letters, newId, now, log }
    return createAuth({ ...shared, find, join, confirmEmail })
  })
  const tokenOf = (request: Request) => readSessionToken(request, issuer, secret)
  const people: People = {
    sessionOf: async (request) => {
      const token = tokenOf(request)
      const record = token === undefined ? undefined : await store.people.findSession(token, now())
      return record && toSession(record)
    },
    find,
    signOut: async (request) => {
      const token = tokenOf(request)
      if (token !== undefined) await store.people.endSession(token)
      return [clearSessionCookie(issuer)]
    },
    handle: async (request) => {
      if (!isOpenRoute(request, issuer, config)) throw notFound()
      const auth = await load()
      return auth.handler(request)
    },
  }
  const accounts = createAccounts({ load, reload, passwords, isBreached })
  const limits = createLimits(store, now)
  const organizations = createOrganizations({ store, letters, limits, newId, now })
  const shared = { store, config, passwords, isBreached, join, newId, now }
  const invitedSignUp = createInvitedSignUp(shared)
  return { people, accounts, limits, organizations, invitedSignUp, config }
}
