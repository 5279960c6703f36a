/** `behalf.config.json`: its schema, and reading it with errors that name the path and the fix. */
import {
  agentLimitsSchema,
  type BudgetPeriod,
  cleanText,
  clientId,
  grantTypes,
  isSecureUrl,
  parseUsd,
  type RuleSelector,
  readScope,
  resourceUri,
  signingAlgorithms,
  tenantId,
} from '@behalf/protocol'
import { z } from 'zod'
import { ConfigError, type Environment, readSecret, secret } from './config-secret.js'
import { customClaims, peopleConfig, readPeopleSecrets } from './people/people-config.js'
import { rateLimitsConfig } from './rate-limits/rate-limits-config.js'
import { pageMembers, shownName, shownText } from './registration/client-metadata.js'
import { redirectUriProblem } from './registration/redirect-uri.js'

/** The members of `agent_limits` where they stand beside others; `checkConfig` reads them strictly. */
const amount = z.union([z.number(), z.string()]).optional()
const limitMembers = {
  requests_per_hour: z.number().optional(),
  cost_budget_usd: amount,
  max_cost_per_action_usd: amount,
  allowed_actions: z.array(z.string()).optional(),
  max_delegation_depth: z.number().optional(),
}

/** Caps that start again each day, week or month, in UTC. */
const periodBudgets = z
  .strictObject({ day: amount, week: amount, month: amount })
  .superRefine((value, context) => {
    for (const [period, cap] of Object.entries(value)) {
      if (cap === undefined || parseUsd(cap) !== undefined) continue
      context.addIssue({ code: 'custom', path: [period], message: 'must be an amount of USD' })
    }
  })
  .optional()

/** Micro-USD of each period. */
export const periodCaps = (
  budgets: z.output<typeof periodBudgets> = {},
): Partial<Record<BudgetPeriod, bigint>> =>
  Object.fromEntries(
    Object.entries(budgets).flatMap(([period, cap]) => {
      const microUsd = parseUsd(cap)
      return microUsd === undefined ? [] : [[period, microUsd]]
    }),
  )

const checkLimits = (value: object, context: z.RefinementCtx): void => {
  const result = agentLimitsSchema.safeParse(value)
  for (const { path, message } of result.error?.issues ?? []) {
    context.addIssue({ code: 'custom', path, message })
  }
}

/** Limits as they stand in the file: checked here, kept in their wire form. */
const limits = z.strictObject(limitMembers).superRefine(checkLimits)

const scope = z
  .string()
  .refine(
    (text) => text === '' || readScope(text) !== undefined,
    'must be words with one space between',
  )

const redirectUri = z.string().superRefine((uri, context) => {
  const message = redirectUriProblem(uri)
  if (message !== undefined) context.addIssue({ code: 'custom', message })
})

const tenant = z.strictObject({
  tenant_id: tenantId,
  name: z.string().min(1).max(200).optional(),
  /** A tenant has a budget; what else agents may do stands at the agents. */
  limits: z.strictObject({ cost_budget_usd: amount }).superRefine(checkLimits).optional(),
  budget_periods: periodBudgets,
  disabled: z.boolean().optional(),
  /** In the tokens of its people. */
  claims: customClaims.optional(),
})

const isRootWithSlash = (uri: string): boolean => /^https?:\/\/[^/?#]+\/$/.test(uri)

/** A protected resource, as RFC 9728 names its members where it has them. */
export const resourceSchema = z.strictObject({
  resource: resourceUri.refine(
    (uri) => !isRootWithSlash(uri),
    'must be written without the slash at its end, as in https://host',
  ),
  tenant_id: tenantId.optional(),
  scopes_supported: z
    .array(z.string().refine((word) => readScope(word)?.length === 1, 'must be one scope word'))
    .optional(),
  client_id: clientId.optional(),
  /** What each scope lets somebody do, in plain words for the person who is asked. */
  scope_descriptions: z.record(z.string(), shownText(300)).optional(),
})

export const authMethods = ['client_secret_basic', 'client_secret_post', 'none'] as const

const agentType = cleanText(100)

/** A client as RFC 7591 names its members, and what is ours beside them. */
export const clientSchema = z.strictObject({
  client_id: clientId.refine((id) => id !== '*', 'must not be "*": that is every client'),
  kind: z.enum(['agent', 'resource_server', 'app']),
  client_name: shownName.optional(),
  ...pageMembers,
  agent_type: agentType.optional(),
  tenant_id: tenantId.optional(),
  client_secret: secret.optional(),
  token_endpoint_auth_method: z.enum(authMethods).optional(),
  grant_types: z.array(z.enum(Object.values(grantTypes))).optional(),
  scope: scope.optional(),
  resources: z.array(resourceUri).optional(),
  redirect_uris: z.array(redirectUri).optional(),
  /** Where people may be sent when they have signed out. OpenID Connect RP-Initiated Logout §3.1 */
  post_logout_redirect_uris: z.array(redirectUri).optional(),
  agent_limits: limits.optional(),
  budget_periods: periodBudgets,
  disabled: z.boolean().optional(),
})

/** A client by its id, all agents of a type, or every client of the tenant. */
const selector = z.union([clientId, z.strictObject({ agent_type: agentType })])

const delegationRule = z.strictObject({
  from: selector,
  to: selector,
  /** Needed where neither end names a client. */
  tenant_id: tenantId.optional(),
  /** Handed on by the holder, taken by a resource server, or both. */
  mode: z.enum(['push', 'pull', 'both']).optional(),
  scope: scope.optional(),
  resources: z.array(resourceUri).optional(),
  ...limitMembers,
  expires_in_seconds: z.int().min(1).optional(),
  enabled: z.boolean().optional(),
})

/** Made once. Role, claims and `disabled`, which only the operator can set, follow the file. */
const user = z.strictObject({
  email: z.email().max(254),
  /** Without one, they set it by "forgot my password". */
  password: secret.optional(),
  name: z.string().min(1).max(200).optional(),
  role: z.enum(['user', 'admin']).optional(),
  tenant_id: tenantId.optional(),
  org_role: z.enum(['owner', 'admin', 'member']).optional(),
  disabled: z.boolean().optional(),
  claims: customClaims.optional(),
})

const seconds = z
  .int()
  .min(1)
  .max(10 * 365 * 24 * 3600)

/** RFC 6454 §6.2, as a browser writes it: the two are compared to the byte, so no `*` stands for others. */
const isOrigin = (text: string): boolean =>
  isSecureUrl(text) && new URL(text).origin === text && !text.includes('*')

const cors = z.strictObject({
  /** Whose pages may call the endpoints for clients. Absent: those of any site. */
  allowed_origins: z
    .array(
      z
        .string()
        .max(300)
        .refine(
          isOrigin,
          'must be an origin such as https://app.example: https, or http on loopback, without a path',
        ),
    )
    .max(1000)
    .optional(),
})

const metadata = z.strictObject({
  /** Names resources without a tenant, and their scopes, to everybody. */
  list_resources: z.boolean().optional(),
})

/** Long enough to be used, and never longer than a day: until then a stolen one works offline. */
const tokenSeconds = z.int().min(60).max(86_400)

const accessTokens = z.strictObject({
  /** What a client gets for itself or for a person, and the ID token with it. */
  own_seconds: tokenSeconds.optional(),
  /** What is issued under a delegation. Never longer than what it is made from. */
  delegated_seconds: tokenSeconds.optional(),
})

const refreshTokens = z.strictObject({
  /** Unused for so long, a refresh token is dead. */
  idle_seconds: seconds.optional(),
  /** However often it is used, after so long the person has to agree again. */
  absolute_seconds: seconds.optional(),
  /**
   * So long the same successor is answered to those who use a token at the same moment. Up to half a
   * second nobody is answered before it is over, so that nobody who has the answer can count on it.
   */
  grace_seconds: z.number().min(0).max(60).optional(),
})

/** `null` is for ever. Never less than a week: until then a late report or a retry may refer to it. */
const keptDays = z.int().min(7).max(36_500).nullable().optional()

/** How long history is kept. */
const retention = z.strictObject({
  /** The record of every token, from its issue. */
  tokens_days: keptDays,
  /** Delegations and consents, from their end, and for as long as anything refers to them. */
  delegations_days: keptDays,
  /** Reservations and leases, from their end; days, weeks and months of budgets. */
  charges_days: keptDays,
  /** Movements of the ledger. Their sum for each budget is kept. */
  ledger_entries_days: keptDays,
  /** Entries of the revocation feed, from when no token can need them. */
  revocation_feed_days: keptDays,
})

/** What clients can have at most that the operator has not written down one by one. */
const selfRegistered = {
  scope: scope.optional(),
  resources: z.array(resourceUri).optional(),
  tenant_id: tenantId.optional(),
}

const hostPattern = z
  .string()
  .max(255)
  .regex(
    /^(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)+(:\d{1,5})?$/,
    'must be a host such as app.example, app.example:8443 or *.app.example',
  )

const registration = z.strictObject({
  /** Clients whose id is the URL of a document about them. */
  client_id_metadata_documents: z
    .strictObject({
      enabled: z.boolean().optional(),
      /** Absent: any host on the public Internet. */
      allowed_hosts: z.array(hostPattern).max(1000).optional(),
      ...selfRegistered,
    })
    .optional(),
  /** RFC 7591. */
  dynamic: z
    .strictObject({
      mode: z.enum(['off', 'open', 'initial_access_token']),
      initial_access_tokens: z.array(secret).max(100).optional(),
      ...selfRegistered,
      registrations_per_minute: z.int().min(1).max(10_000).optional(),
      max_clients: z.int().min(1).max(10_000_000).optional(),
      /** A client that never got a token goes after so many hours, another after so many days. */
      unused_hours: z.int().min(1).optional(),
      idle_days: z.int().min(1).optional(),
    })
    .optional(),
})

export const configSchema = z.strictObject({
  $schema: z.string().optional(),
  signing_alg: z.enum(signingAlgorithms).optional(),
  /** How many delegations may hang from one: alive at a time, and made within a minute. */
  delegation_bounds: z
    .strictObject({
      max_children: z.int().min(0).optional(),
      max_children_per_minute: z.int().min(0).optional(),
    })
    .optional(),
  access_tokens: accessTokens.optional(),
  refresh_tokens: refreshTokens.optional(),
  retention: retention.optional(),
  cors: cors.optional(),
  metadata: metadata.optional(),
  tenants: z.array(tenant).default([]),
  resources: z.array(resourceSchema).default([]),
  clients: z.array(clientSchema).default([]),
  delegation_rules: z.array(delegationRule).default([]),
  registration: registration.optional(),
  users: z.array(user).default([]),
  people: peopleConfig.prefault({}),
  rate_limits: rateLimitsConfig.prefault({}),
})

export { ConfigError } from './config-secret.js'

export type Config = z.output<typeof configSchema>
export type ClientConfig = Config['clients'][number]
export type UserConfig = Config['users'][number]
export type RegistrationConfig = NonNullable<Config['registration']>
export type RuleConfig = Config['delegation_rules'][number]

const limitNames = Object.keys(limitMembers)

/** The limits of a rule stand beside its other members. Wire form. */
export const ruleLimits = (rule: RuleConfig): Record<string, unknown> =>
  Object.fromEntries(Object.entries(rule).filter(([name]) => limitNames.includes(name)))

export const ruleSelector = (end: RuleConfig['from']): RuleSelector => {
  if (end === '*') return '*'
  return typeof end === 'string' ? { client_id: end } : end
}

/** Both ends of a rule are of one tenant: that of the clients it names, or the one it says. */
export const ruleTenant = (rule: RuleConfig, { clients }: Config): string | undefined => {
  const named = clients.find(({ client_id }) => client_id === rule.from || client_id === rule.to)
  return named ? named.tenant_id : rule.tenant_id
}

/** Initial access tokens, each in plain text from here on. */
const readTokens = (
  given: RegistrationConfig | undefined,
  env: Environment,
): RegistrationConfig | undefined => {
  const dynamic = given?.dynamic
  if (!dynamic?.initial_access_tokens) return given
  const initial_access_tokens = dynamic.initial_access_tokens.flatMap(
    (token, index) =>
      readSecret(token, `registration.dynamic.initial_access_tokens[${index}]`, env) ?? [],
  )
  return { ...given, dynamic: { ...dynamic, initial_access_tokens } }
}

const formatPath = (path: readonly PropertyKey[]): string =>
  path
    .map((step) => (typeof step === 'number' ? `[${step}]` : `.${String(step)}`))
    .join('')
    .replace(/^\./, '')

const formatIssues = (error: z.ZodError): string =>
  error.issues
    .map(({ path, message }) => `${formatPath(path) || '(the file)'}: ${message}`)
    .join('\n')

const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch (error) {
    // Some messages quote the text around the mistake, which may be a secret.
    const message = (error as Error).message.replace(/, (?:"|\.\.\.)[\s\S]*is not valid JSON$/, '')
    throw new ConfigError(`it is not JSON: ${message}`)
  }
}

/**
 * @param env where secrets of the form `{ "env": "NAME" }` are looked up
 * @throws ConfigError with one line for each mistake
 */
export const parseConfig = (text: string, env: Environment): Config => {
  const result = configSchema.safeParse(parseJson(text))
  if (!result.success) throw new ConfigError(formatIssues(result.error))
  const config = result.data
  const clients = config.clients.map((one, index) => {
    const path = `clients[${index}].client_secret`
    return { ...one, client_secret: readSecret(one.client_secret, path, env) }
  })
  const users = config.users.map((one, index) => {
    const path = `users[${index}].password`
    return { ...one, email: one.email.toLowerCase(), password: readSecret(one.password, path, env) }
  })
  const people = readPeopleSecrets(config.people, env)
  const registration = readTokens(config.registration, env)
  return { ...config, clients, users, people, registration } as Config
}
