/** Brings the database to what the configuration says, in one transaction, as often as one likes. */
import { createHash } from 'node:crypto'
import { type AgentLimitsClaim, agentLimitsSchema, grantTypes } from '@behalf/protocol'
import {
  type ClientConfig,
  type Config,
  periodCaps,
  type RuleConfig,
  ruleLimits,
  ruleSelector,
  ruleTenant,
} from '../config.js'
import { lifetimesOf, longestToken } from '../lifetimes.js'
import { registrationSettings } from '../registration/settings.js'
import { type ApplyUsersOptions, applyUsers, hashNewPasswords } from './apply-users.js'
import { setBudget } from './budgets.js'
import { type NewClient, upsertClient } from './clients.js'
import type { Database, Drizzle } from './database.js'
import { type NewDelegationRule, replaceRules, selectorText } from './delegation-rules.js'
import { ensureRoot } from './delegations.js'
import { withRetry } from './failures.js'
import { alignSelfRegistered } from './registrations.js'
import { upsertResource } from './resources.js'
import { revokeElsewhere, revokeStandingOf } from './revocations.js'
import { upsertTenant } from './tenants.js'
import { noteTokenLifetime } from './token-lifetimes.js'

export interface ApplyConfigOptions extends ApplyUsersOptions {
  hashSecret: (secret: string) => string
  newId: () => string
}

const words = (scope: string | undefined): string[] => (scope ? scope.split(' ') : [])

const machineGrants = [grantTypes.clientCredentials, grantTypes.tokenExchange]

/** RFC 7591 §2 defaults, for kinds that people do not sign in to: the grants of machines. */
export const grantTypesOf = ({
  kind,
  grant_types: given,
}: Pick<ClientConfig, 'kind' | 'grant_types'>): string[] => {
  if (given) return given
  return kind === 'app' ? ['authorization_code', 'refresh_token'] : machineGrants
}

const clientRow = (client: ClientConfig, hashSecret: ApplyConfigOptions['hashSecret']) => {
  const { client_secret: secret, disabled = false } = client
  const limits = client.agent_limits as AgentLimitsClaim | undefined
  return {
    clientId: client.client_id,
    // The file has the last word about the clients that it names.
    registeredBy: 'config' as const,
    deletedAt: null,
    previousSecretHash: null,
    registrationTokenHash: null,
    kind: client.kind,
    agentType: client.agent_type ?? null,
    tenantId: client.tenant_id ?? null,
    clientName: client.client_name ?? null,
    clientUri: client.client_uri ?? null,
    logoUri: client.logo_uri ?? null,
    policyUri: client.policy_uri ?? null,
    tosUri: client.tos_uri ?? null,
    clientSecretHash: typeof secret === 'string' ? hashSecret(secret) : null,
    tokenEndpointAuthMethod: client.token_endpoint_auth_method ?? 'client_secret_basic',
    grantTypes: grantTypesOf(client),
    redirectUris: client.redirect_uris ?? [],
    postLogoutRedirectUris: client.post_logout_redirect_uris ?? [],
    scope: words(client.scope),
    resources: client.resources ?? [],
    agentLimits: limits ?? {},
    disabled,
  }
}

export interface StandingOptions {
  budgetPeriods: ClientConfig['budget_periods']
  /** The tenant of the client is switched off. */
  tenantOff: boolean
  newId: () => string
  now: Date
}

/** Brings what a client stands on to what its row says: its root and its budget, or the end of both. */
export const applyStanding = async (
  drizzle: Drizzle,
  row: NewClient,
  { budgetPeriods, tenantOff, newId, now }: StandingOptions,
): Promise<void> => {
  const client_id = row.clientId
  const tenant_id = row.tenantId ?? undefined
  await revokeElsewhere(drizzle, { client_id, tenant_id }, now)
  if (row.disabled) {
    // Switched off: whatever it holds ends now, and so does all that hangs below.
    await revokeStandingOf(drizzle, { client_id }, undefined, 'client_disabled', now)
  } else if (row.tokenEndpointAuthMethod !== 'none' && !tenantOff) {
    const { scope, resources } = row
    const agent_limits = agentLimitsSchema.parse(row.agentLimits)
    await ensureRoot(
      drizzle,
      { client_id, tenant_id, scope, resources, agent_limits },
      newId(),
      now,
    )
    const { costBudget: cap, requestsPerHour } = agent_limits
    const budget = { id: `agent:${client_id}`, tenantId: tenant_id, cap }
    await setBudget(
      drizzle,
      { ...budget, requestsPerHour, periods: periodCaps(budgetPeriods) },
      now,
    )
  }
}

const applyClient = async (
  drizzle: Drizzle,
  client: ClientConfig,
  options: ApplyConfigOptions & { tenantOff: boolean },
): Promise<void> => {
  const row = clientRow(client, options.hashSecret)
  await upsertClient(drizzle, row)
  await applyStanding(drizzle, row, { ...options, budgetPeriods: client.budget_periods })
}

/** The same rule keeps its id over restarts; one that says something else is another rule. */
const ruleRow = (config: Config, rule: RuleConfig): NewDelegationRule => {
  const id = createHash('sha256').update(JSON.stringify(rule)).digest('base64url')
  return {
    id: `rul_${id.slice(0, 22)}`,
    tenantId: ruleTenant(rule, config) ?? null,
    fromSelector: selectorText(ruleSelector(rule.from)),
    toSelector: selectorText(ruleSelector(rule.to)),
    mode: rule.mode ?? 'both',
    scope: rule.scope === undefined ? null : words(rule.scope),
    resources: rule.resources ?? null,
    limits: ruleLimits(rule) as AgentLimitsClaim,
    expiresInSeconds: rule.expires_in_seconds ?? null,
    enabled: rule.enabled ?? true,
  }
}

const applyTenant = async (
  drizzle: Drizzle,
  tenant: Config['tenants'][number],
  now: Date,
): Promise<void> => {
  const { tenant_id: tenantId, name = tenantId, disabled = false, claims = {} } = tenant
  await upsertTenant(drizzle, { tenantId, name, disabled, claims })
  if (!disabled) return
  await revokeStandingOf(drizzle, { tenant_id: tenantId }, undefined, 'tenant_disabled', now)
}

const applyTenantBudget = (
  drizzle: Drizzle,
  { tenant_id: tenantId, limits = {}, budget_periods }: Config['tenants'][number],
  now: Date,
): Promise<void> => {
  const { costBudget: cap } = agentLimitsSchema.parse(limits)
  const periods = periodCaps(budget_periods)
  return setBudget(drizzle, { id: `tenant:${tenantId}`, tenantId, cap, periods }, now)
}

const byId = (one: { client_id: string }, other: { client_id: string }): number =>
  one.client_id < other.client_id ? -1 : 1

const applyAll = async (
  drizzle: Drizzle,
  config: Config,
  options: ApplyConfigOptions,
): Promise<void> => {
  // First: what is revoked below goes by it.
  await noteTokenLifetime(drizzle, longestToken(lifetimesOf(config)))
  for (const tenant of config.tenants) await applyTenant(drizzle, tenant, options.now)
  for (const resource of config.resources) {
    await upsertResource(drizzle, {
      resource: resource.resource,
      tenantId: resource.tenant_id ?? null,
      scopesSupported: resource.scopes_supported ?? [],
      clientId: resource.client_id ?? null,
      scopeDescriptions: resource.scope_descriptions ?? {},
      // The file has the last word about the resources that it names, as about clients.
      registeredBy: 'config',
    })
  }
  // In the order in which the ledger locks budgets: agents by their ids, then tenants.
  for (const client of [...config.clients].sort(byId)) {
    const tenant = config.tenants.find(({ tenant_id }) => tenant_id === client.tenant_id)
    await applyClient(drizzle, client, { ...options, tenantOff: tenant?.disabled ?? false })
  }
  const { documents, dynamic } = registrationSettings(config)
  if (documents) await alignSelfRegistered(drizzle, 'metadata_document', documents)
  await alignSelfRegistered(drizzle, 'dynamic', dynamic)
  for (const tenant of config.tenants) await applyTenantBudget(drizzle, tenant, options.now)
  await replaceRules(
    drizzle,
    config.delegation_rules.map((rule) => ruleRow(config, rule)),
  )
}

/** Clients and people that left the file stay as they are: `"disabled": true` switches one off. */
export const applyConfig = async (
  { drizzle }: Database,
  config: Config,
  options: ApplyConfigOptions,
): Promise<void> => {
  const hashes = await hashNewPasswords(drizzle, config.users, options.hashPassword)
  await withRetry(() =>
    drizzle.transaction(async (transaction) => {
      await applyAll(transaction, config, options)
      await applyUsers(transaction, config.users, hashes, options)
    }),
  )
}
