/**
 * better-auth, set up for this server. It is a fifth of a second of loading that a server which only
 * issues tokens to machines never spends, so nobody imports this file but by `import()`.
 */
import { passkey } from '@better-auth/passkey'
import { APIError } from 'better-auth/api'
import { betterAuth } from 'better-auth/minimal'
import { genericOAuth } from 'better-auth/plugins/generic-oauth'
import { organization } from 'better-auth/plugins/organization'
import { twoFactor } from 'better-auth/plugins/two-factor'
import type { Logger } from 'pino'
import type { Database } from '../store/database.js'
import type { PersonRecord } from '../store/people.js'
import { peopleAdapter } from '../store/people-adapter.js'
import type { PasswordHashing } from './hash-ahead.js'
import type { Letters } from './letters.js'
import { maxPasswordLength, minPasswordLength } from './password-length.js'
import type { PeopleConfig } from './people-config.js'
import { sessionCookiePrefix } from './session-cookie.js'

export type PersonPrefix = 'usr' | 'ses' | 'acc' | 'ver' | 'mbr' | 'inv' | 'tfa' | 'psk'

export interface AuthOptions {
  issuer: string
  /** For MACs and seals of better-auth alone. */
  secret: string
  config: PeopleConfig
  database: Database
  passwords: PasswordHashing
  letters: Letters
  /** The person as they are now. */
  find: (sub: string) => Promise<PersonRecord | undefined>
  join: (sub: string, tenantId: string) => Promise<void>
  confirmEmail: (sub: string) => Promise<void>
  newId: (prefix: PersonPrefix) => string
  now: () => Date
  log: Logger
}

const prefixes: ReadonlyMap<string, PersonPrefix> = new Map([
  ['user', 'usr'],
  ['session', 'ses'],
  ['account', 'acc'],
  ['verification', 'ver'],
  ['member', 'mbr'],
  ['invitation', 'inv'],
  ['twoFactor', 'tfa'],
  ['passkey', 'psk'],
])

const linkLifetimeSeconds = 3600

/** Whatever way led here, this decides whether there is a session, and for how long. */
const sessionHooks = ({ find, config, now }: AuthOptions) => ({
  before: async <Session extends { userId: string }>(session: Session) => {
    const person = (await find(session.userId))?.person
    if (!person || person.disabled) throw new APIError('FORBIDDEN', { code: 'PERSON_DISABLED' })
    if (config.require_verified_email && !person.emailVerified) {
      throw new APIError('FORBIDDEN', { code: 'EMAIL_NOT_VERIFIED' })
    }
    const createdAt = now()
    const lifetimeMs = config.session_lifetime_hours * 3_600_000
    const expiresAt = new Date(createdAt.getTime() + lifetimeMs)
    return { data: { ...session, createdAt, updatedAt: createdAt, expiresAt } }
  },
})

/** An organization's own identity provider says who its people are, also where sign-up is not open. */
const isOrganizationSignIn = (path: string | undefined): boolean =>
  path?.startsWith('/sso/callback') ?? false

const userHooks = ({ config, join }: AuthOptions) => ({
  before: async <User extends object>(user: User, context: { path?: string } | null) => {
    // Within its own domain, which `checkDomain` holds it to, it is the word on addresses.
    if (isOrganizationSignIn(context?.path)) return { data: { ...user, emailVerified: true } }
    if (config.sign_up !== 'open') throw new APIError('FORBIDDEN', { code: 'SIGN_UP_CLOSED' })
    return { data: user }
  },
  after: async ({ id }: { id: string }) => {
    if (config.default_tenant_id !== undefined) await join(id, config.default_tenant_id)
  },
})

interface IncomingPerson {
  user: { email?: string | undefined }
  source: { sso?: { providerId: string } | undefined }
}

/** Or the provider of one organization could sign in as the people of another. */
const checkDomain =
  ({ sso }: PeopleConfig) =>
  async ({ user, source }: IncomingPerson) => {
    if (!source.sso) return undefined
    const provider = sso.find(({ provider_id }) => provider_id === source.sso?.providerId)
    const domain = user.email?.toLowerCase().split('@').at(-1)
    return provider?.domain === domain ? undefined : { error: 'FOREIGN_DOMAIN' }
  }

/** Who they are is all that we ask elsewhere. A token that is not kept cannot be stolen. */
const withoutTokens = async <Account extends object>(account: Account) => ({
  data: { ...account, accessToken: null, refreshToken: null, idToken: null },
})

const socialProviders = ({ social }: PeopleConfig) =>
  Object.fromEntries(
    Object.entries(social).map(([name, { client_id: clientId, client_secret: clientSecret }]) => [
      name,
      { clientId, clientSecret: String(clientSecret) },
    ]),
  )

const oidcProviders = ({ oidc }: PeopleConfig) =>
  oidc.map((provider) => ({
    providerId: provider.provider_id,
    ...(provider.name !== undefined && { name: provider.name }),
    discoveryUrl: provider.discovery_url,
    clientId: provider.client_id,
    ...(provider.client_secret !== undefined && { clientSecret: String(provider.client_secret) }),
    scopes: (provider.scope ?? 'openid email profile').split(' '),
    pkce: true,
    requireIdTokenVerification: true,
  }))

const upstreamOrigins = ({ sso }: PeopleConfig): string[] =>
  sso.flatMap(({ issuer, discovery_url: url = issuer }) =>
    [issuer, url].map((one) => new URL(one).origin),
  )

/** Half a second more to load, so only for who has configured it. */
const ssoPlugins = async ({ config, join }: AuthOptions) => {
  if (config.sso.length === 0) return []
  const { sso } = await import('@better-auth/sso')
  const plugin = sso({
    defaultSSO: config.sso.map((one) => ({
      domain: one.domain,
      providerId: one.provider_id,
      oidcConfig: {
        issuer: one.issuer,
        pkce: true,
        clientId: one.client_id,
        clientSecret: String(one.client_secret),
        scopes: ['openid', 'email', 'profile'],
        discoveryEndpoint: one.discovery_url ?? `${one.issuer}/.well-known/openid-configuration`,
      },
    })),
    // Ours stand in the file, and nobody registers another.
    providersLimit: 0,
    // The operator has verified them by writing them down.
    domainVerification: { enabled: true },
    organizationProvisioning: { disabled: true },
    provisionUserOnEveryLogin: true,
    provisionUser: async ({ user, provider }) => {
      const known = config.sso.find(({ provider_id }) => provider_id === provider.providerId)
      if (known) await join(user.id, known.tenant_id)
    },
  })
  return [plugin]
}

const plugins = ({ issuer, config }: AuthOptions) => {
  const { hostname, origin } = new URL(issuer)
  return [
    organization({
      // Tenants come from the operator.
      allowUserToCreateOrganization: false,
      disableOrganizationDeletion: true,
      requireEmailVerificationOnInvitation: true,
    }),
    twoFactor({ issuer: hostname, backupCodeOptions: { storeBackupCodes: 'encrypted' } }),
    passkey({ rpID: hostname, rpName: hostname, origin }),
    genericOAuth({ config: oidcProviders(config) }),
  ] as const
}

/** Of its messages only the words: what comes along with them may hold anything. */
const quietLogger = (log: Logger) => ({
  level: 'warn' as const,
  log: (level: string, message: string) => {
    if (level === 'error') log.error({ from: 'better-auth' }, message)
    else log.debug({ from: 'better-auth' }, message)
  },
})

const advanced = ({ issuer, newId, config }: AuthOptions) => ({
  cookiePrefix: sessionCookiePrefix(issuer),
  // It would put `__Secure-` in front; our prefix says `__Host-`, which asks for more.
  useSecureCookies: false,
  defaultCookieAttributes: {
    secure: issuer.startsWith('https:'),
    httpOnly: true,
    sameSite: 'lax' as const,
    path: '/',
  },
  database: {
    generateId: ({ model }: { model: string }) => newId(prefixes.get(model) ?? 'ver'),
  },
  ipAddress: config.address_header
    ? { ipAddressHeaders: [config.address_header] }
    : { disableIpTracking: true },
})

const emailAndPassword = ({ config, passwords, letters, confirmEmail }: AuthOptions) => ({
  enabled: true,
  disableSignUp: config.sign_up !== 'open',
  requireEmailVerification: config.require_verified_email,
  // Signing in at once would tell who has an account already.
  autoSignIn: false,
  minPasswordLength,
  maxPasswordLength,
  password: {
    hash: passwords.hash,
    verify: ({ hash, password }: { hash: string; password: string }) =>
      passwords.verify(hash, password),
  },
  resetPasswordTokenExpiresIn: linkLifetimeSeconds,
  revokeSessionsOnPasswordReset: true,
  sendResetPassword: async ({ user, token }: { user: { email: string }; token: string }) =>
    letters.reset(user.email, token),
  // The letter has arrived, which is all that a verification would show.
  onPasswordReset: async ({ user }: { user: { id: string } }) => confirmEmail(user.id),
  onExistingUserSignUp: async ({ user }: { user: { email: string } }) =>
    letters.accountExists(user.email),
})

export const createAuth = async (options: AuthOptions) => {
  const { issuer, config, letters } = options
  const { origin, pathname } = new URL(issuer)
  const base = pathname === '/' ? '' : pathname
  const upstream = await ssoPlugins(options)
  return betterAuth({
    appName: new URL(issuer).hostname,
    baseURL: origin,
    basePath: `${base}/auth`,
    secret: options.secret,
    database: peopleAdapter(options.database),
    // Where pages may lead is decided by `safeReturnTo`; this lets it talk to providers in the house.
    trustedOrigins: [origin, ...upstreamOrigins(config)],
    emailAndPassword: emailAndPassword(options),
    emailVerification: {
      sendOnSignUp: config.require_verified_email,
      sendOnSignIn: true,
      expiresIn: linkLifetimeSeconds,
      sendVerificationEmail: async ({ user, token, url }) =>
        letters.verify(user.email, token, new URL(url).searchParams.get('callbackURL')),
    },
    socialProviders: socialProviders(config),
    account: { updateAccountOnSignIn: false, storeStateStrategy: 'cookie' },
    verification: { storeIdentifier: 'hashed' },
    session: {
      expiresIn: config.session_lifetime_hours * 3600,
      disableSessionRefresh: true,
      cookieCache: { enabled: false },
    },
    user: {
      changeEmail: { enabled: false },
      deleteUser: { enabled: false },
      validateUserInfo: checkDomain(config),
    },
    databaseHooks: {
      session: { create: sessionHooks(options) },
      user: { create: userHooks(options) },
      account: { create: { before: withoutTokens }, update: { before: withoutTokens } },
    },
    onAPIError: { errorURL: `${issuer}/sign-in` },
    // Ours counts over all servers, and at the pages as well.
    rateLimit: { enabled: false },
    telemetry: { enabled: false },
    logger: quietLogger(options.log),
    advanced: advanced(options),
    plugins: [...plugins(options), ...upstream],
  })
}

export type Auth = Awaited<ReturnType<typeof createAuth>>
