/** What a schema cannot say: names that must exist, belong together, and be unique. */
import { agentLimitsSchema, grantTypes } from '@behalf/protocol'
import { checkClaims } from './check-claims.js'
import {
  type ClientConfig,
  type Config,
  ConfigError,
  type RuleConfig,
  ruleLimits,
} from './config.js'

const duplicates = (names: readonly string[]): string[] =>
  names.filter((name, index) => names.indexOf(name) !== index)

const unique = (where: string, names: readonly string[]): string[] =>
  duplicates(names).map((name) => `${where}: "${name}" is there twice`)

const checkTenants = (config: Config): string[] => {
  const { tenants, clients, resources, delegation_rules, users, people } = config
  const known = new Set(tenants.map(({ tenant_id }) => tenant_id))
  const check = (where: string, tenantId: string | undefined): string[] =>
    tenantId === undefined || known.has(tenantId)
      ? []
      : [`${where}.tenant_id: "${tenantId}" is not among tenants`]
  return [
    ...clients.flatMap((client, index) => check(`clients[${index}]`, client.tenant_id)),
    ...delegation_rules.flatMap((rule, index) =>
      check(`delegation_rules[${index}]`, rule.tenant_id),
    ),
    ...resources.flatMap((resource, index) => check(`resources[${index}]`, resource.tenant_id)),
    ...users.flatMap((user, index) => check(`users[${index}]`, user.tenant_id)),
    ...people.sso.flatMap((one, index) => check(`people.sso[${index}]`, one.tenant_id)),
    ...(people.default_tenant_id === undefined || known.has(people.default_tenant_id)
      ? []
      : [`people.default_tenant_id: "${people.default_tenant_id}" is not among tenants`]),
  ]
}

const isForPeople = ({ grant_types: grants }: ClientConfig): boolean =>
  grants?.includes(grantTypes.authorizationCode) ?? false

/** A client that proves nothing about itself has nothing of its own: people bring what it may do. */
const mayBePublic = (client: ClientConfig): boolean => {
  if (client.kind !== 'agent') return client.kind === 'app'
  const own: readonly string[] = [grantTypes.clientCredentials, grantTypes.tokenExchange]
  return isForPeople(client) && !client.grant_types?.some((grant) => own.includes(grant))
}

/** Without a tenant of its own, a client may act in that of whoever lets it. */
const isOtherTenants = (client: ClientConfig, tenantId: string | undefined): boolean =>
  tenantId !== undefined &&
  tenantId !== client.tenant_id &&
  !(client.tenant_id === undefined && isForPeople(client))

const resourceProblems = (
  path: string,
  uri: string,
  isOthers: (tenantId: string | undefined) => boolean,
  { resources }: Config,
): string[] => {
  const resource = resources.find((one) => one.resource === uri)
  if (!resource) return [`${path}: "${uri}" is not among resources`]
  return isOthers(resource.tenant_id) ? [`${path}: "${uri}" belongs to another tenant`] : []
}

const checkClient = (client: ClientConfig, index: number, config: Config): string[] => {
  const path = `clients[${index}]`
  const isPublic = client.token_endpoint_auth_method === 'none'
  const problems: string[] = []
  if (isPublic && client.client_secret !== undefined) {
    problems.push(`${path}.client_secret: a public client has none; remove it`)
  }
  if (!isPublic && client.client_secret === undefined) {
    problems.push(`${path}.client_secret: is missing (or set token_endpoint_auth_method to "none")`)
  }
  if (isPublic && !mayBePublic(client)) {
    problems.push(
      `${path}.token_endpoint_auth_method: only an app may be public, or an agent whose grant_types are those of people`,
    )
  }
  const isOthers = (tenantId: string | undefined): boolean => isOtherTenants(client, tenantId)
  const resources = (client.resources ?? []).flatMap((uri, at) =>
    resourceProblems(`${path}.resources[${at}]`, uri, isOthers, config),
  )
  return [...problems, ...resources]
}

const checkResources = ({ resources, clients }: Config): string[] =>
  resources.flatMap(({ client_id: id }, index) => {
    const server = clients.find((client) => client.client_id === id)
    if (id === undefined || server?.kind === 'resource_server') return []
    return [`resources[${index}].client_id: "${id}" is not a client of kind "resource_server"`]
  })

const ruleEnds = ['from', 'to'] as const

const namedHomes = (homes: ReadonlyMap<string, string | undefined>): string =>
  [...homes]
    .map(([what, tenantId]) => `${what}: ${tenantId === undefined ? 'none' : `"${tenantId}"`}`)
    .join(', ')

/** The clients that a rule names must exist and, like the tenant that it says, belong together. */
const checkRuleParties = (rule: RuleConfig, path: string, config: Config): string[] => {
  const find = (id: unknown) => config.clients.find(({ client_id }) => client_id === id)
  const named = ruleEnds.filter((end) => typeof rule[end] === 'string' && rule[end] !== '*')
  const missing = named
    .filter((end) => !find(rule[end]))
    .map((end) => `${path}.${end}: "${rule[end]}" is not among clients`)
  if (missing.length > 0) return missing
  const homes = new Map<string, string | undefined>(
    named.map((end) => [end, find(rule[end])?.tenant_id]),
  )
  if (rule.tenant_id !== undefined) homes.set('the rule', rule.tenant_id)
  if (new Set(homes.values()).size > 1) {
    return [`${path}: from and to belong to different tenants (${namedHomes(homes)})`]
  }
  const isOpen = named.length === 0 && rule.tenant_id === undefined && config.tenants.length > 0
  return isOpen ? [`${path}.tenant_id: is missing, since neither end names a client`] : []
}

const checkRule = (rule: RuleConfig, index: number, config: Config): string[] => {
  const path = `delegation_rules[${index}]`
  const result = agentLimitsSchema.safeParse(ruleLimits(rule))
  const issues = result.error?.issues ?? []
  return [
    ...checkRuleParties(rule, path, config),
    ...issues.map(({ path: at, message }) => `${path}.${at.join('.')}: ${message}`),
  ]
}

const checkUsers = ({ users }: Config): string[] =>
  users.flatMap(({ org_role, tenant_id }, index) =>
    org_role !== undefined && tenant_id === undefined
      ? [`users[${index}].tenant_id: is missing, since org_role is the role in it`]
      : [],
  )
/** What strangers may get must exist, and belong to the tenant that they are put in. */
const checkSelfRegistered = (
  path: string,
  {
    tenant_id,
    resources = [],
  }: { tenant_id?: string | undefined; resources?: string[] | undefined },
  config: Config,
): string[] => {
  const isOthers = (owner: string | undefined): boolean =>
    owner !== undefined && owner !== tenant_id
  const problems = resources.flatMap((uri, at) =>
    resourceProblems(`${path}.resources[${at}]`, uri, isOthers, config),
  )
  const isKnown =
    tenant_id === undefined || config.tenants.some((one) => one.tenant_id === tenant_id)
  return isKnown
    ? problems
    : [...problems, `${path}.tenant_id: "${tenant_id}" is not among tenants`]
}

const checkRegistration = (config: Config): string[] => {
  const { client_id_metadata_documents: documents = {}, dynamic } = config.registration ?? {}
  const path = 'registration.client_id_metadata_documents'
  const problems = checkSelfRegistered(path, documents, config)
  if (!dynamic) return problems
  const tokens = dynamic.initial_access_tokens ?? []
  if (dynamic.mode === 'initial_access_token' && tokens.length === 0) {
    problems.push('registration.dynamic.initial_access_tokens: is missing')
  }
  return [...problems, ...checkSelfRegistered('registration.dynamic', dynamic, config)]
}

/** @throws ConfigError with one line for each mistake */
export const checkConfig = (config: Config): void => {
  const problems = [
    ...unique(
      'tenants',
      config.tenants.map(({ tenant_id }) => tenant_id),
    ),
    ...unique(
      'clients',
      config.clients.map(({ client_id }) => client_id),
    ),
    ...unique(
      'resources',
      config.resources.map(({ resource }) => resource),
    ),
    ...unique(
      'delegation_rules',
      config.delegation_rules.map((rule) => JSON.stringify(rule)),
    ),
    ...unique(
      'users',
      config.users.map(({ email }) => email),
    ),
    ...unique('people', [
      ...Object.keys(config.people.social),
      ...[...config.people.oidc, ...config.people.sso].map(({ provider_id: id }) => id),
    ]),
    ...checkTenants(config),
    ...checkUsers(config),
    ...checkClaims(config),
    ...checkResources(config),
    ...config.clients.flatMap((client, index) => checkClient(client, index, config)),
    ...config.delegation_rules.flatMap((rule, index) => checkRule(rule, index, config)),
    ...checkRegistration(config),
  ]
  if (problems.length > 0) throw new ConfigError(problems.join('\n'))
}
