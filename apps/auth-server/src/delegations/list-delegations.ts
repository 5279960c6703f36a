/** Who is acting now: the live tree, for those who are part of it. */
import {
  agentLimitsClaim,
  cleanText,
  clientId,
  delegationId,
  formatScope,
  OAuthError,
  tenantId,
} from '@behalf/protocol'
import { z } from 'zod'
import { liveBudget } from '../budgets/show-budget.js'
import type { Deps } from '../deps.js'
import type { DelegationCursor } from '../store/delegation-list.js'
import type { Delegation } from '../store/delegations.js'
import { type Caller, isAdminOf } from './parties.js'

const maxPage = 100

const querySchema = z.strictObject({
  subject: cleanText(255).optional(),
  actor: clientId.optional(),
  /** This delegation and all below it. */
  under: delegationId.optional(),
  tenant_id: tenantId.optional(),
  limit: z.coerce.number().int().min(1).max(maxPage).default(50),
  cursor: z.string().max(200).optional(),
})

const malformed = (description: string): OAuthError =>
  new OAuthError('invalid_request', { description, reason: 'malformed_query' })

const writeCursor = ({ created_at, id }: Delegation): string =>
  Buffer.from(JSON.stringify([created_at.toISOString(), id])).toString('base64url')

const readCursor = (text: string | undefined): DelegationCursor | undefined => {
  if (text === undefined) return undefined
  try {
    const [createdAt, id] = z
      .tuple([z.iso.datetime(), delegationId])
      .parse(JSON.parse(Buffer.from(text, 'base64url').toString('utf8')))
    const date = new Date(createdAt)
    // PostgreSQL knows no year 0.
    if (date.getTime() >= 0) return { createdAt: date, id }
  } catch {
    // Falls through: whatever it is, it is not ours.
  }
  throw malformed('cursor is not one of this listing.')
}

const parseQuery = (query: Record<string, string[]>) => {
  const repeated = Object.values(query).some((values) => values.length > 1)
  if (repeated) throw malformed('A parameter is given more than once.')
  const single = Object.fromEntries(Object.entries(query).map(([name, [value]]) => [name, value]))
  const result = querySchema.safeParse(single)
  if (result.success) return result.data
  const issue = result.error.issues[0]
  throw malformed(`${issue?.path.join('.') || 'query'}: ${issue?.message}.`)
}

const describe = async (delegation: Delegation, lastUsed: Date | undefined, deps: Deps) => ({
  delegation_id: delegation.id,
  ...(delegation.parent_id !== undefined && { parent_id: delegation.parent_id }),
  lineage: delegation.lineage,
  ...(delegation.tenant_id !== undefined && { tenant_id: delegation.tenant_id }),
  subject: delegation.subject,
  actor: delegation.actor,
  ...(delegation.act && { act: delegation.act }),
  scope: formatScope(delegation.scope),
  resources: delegation.resources,
  agent_limits: agentLimitsClaim(delegation.limits),
  ...(delegation.rule_ids && { rule_ids: delegation.rule_ids }),
  created_at: delegation.created_at.toISOString(),
  ...(delegation.expires_at && { expires_at: delegation.expires_at.toISOString() }),
  ...(lastUsed && { last_used_at: lastUsed.toISOString() }),
  budget: await liveBudget(delegation, deps),
})

/** An admin sees its tenant; an admin of all tenants names one. Everyone else sees its own part. */
const viewOf = (caller: Caller, named: string | undefined) => {
  const tenant = caller.client.tenant_id ?? named
  const isAdmin = isAdminOf(caller, tenant)
  return { tenantId: tenant, party: isAdmin ? undefined : caller.client.client_id }
}

/** `GET /delegations`. @throws OAuthError `invalid_request` */
export const listDelegations = async (
  query: Record<string, string[]>,
  caller: Caller,
  deps: Deps,
) => {
  const { subject, actor, under, limit, cursor, tenant_id } = parseQuery(query)
  const filter = { ...viewOf(caller, tenant_id), subject, actor, under, after: readCursor(cursor) }
  // One more than a page tells whether there is another.
  const found = await deps.store.delegations.list({ ...filter, limit: limit + 1 }, deps.now())
  const page = found.slice(0, limit)
  const lastUsed = await deps.store.delegations.lastUsed(page.map(({ id }) => id))
  const last = page.at(-1)
  return {
    delegations: await Promise.all(page.map((one) => describe(one, lastUsed.get(one.id), deps))),
    ...(found.length > limit && last && { next_cursor: writeCursor(last) }),
  }
}
