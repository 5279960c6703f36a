/** Delegations: the tree of lent authority. */
import { isDeepStrictEqual } from 'node:util'
import { type Actor, type AgentLimits, agentLimitsClaim, agentLimitsSchema } from '@behalf/protocol'
import { and, eq, isNull } from 'drizzle-orm'
import { batchRows } from './batch-rows.js'
import { setBudget } from './budgets.js'
import type { Client } from './clients.js'
import type { Database, Drizzle, Row } from './database.js'
import { type DelegationFilter, isLive, listStatement } from './delegation-list.js'
import { asOfColumn } from './registry-version.js'
import { delegations as table } from './schema.js'

export interface Delegation {
  id: string
  lineage: readonly string[]
  tenant_id: string | undefined
  subject: string
  actor: string
  act: Actor | undefined
  scope: readonly string[]
  resources: readonly string[]
  limits: AgentLimits
  budget_ids: readonly string[]
  expires_at: Date | undefined
  revoked_at: Date | undefined
  parent_id: string | undefined
  rule_ids: readonly string[] | undefined
  created_at: Date
  /** The version of the registry that this was read at, where that matters. */
  as_of?: string
}

/** What hangs from consents of one person, by their budgets. */
export interface UnderBudgets {
  subject: string
  budgetIds: readonly string[]
  /** Of each budget. */
  skip: number
  limit: number
}

const columnList = `id, lineage, tenant_id, subject, actor, act, scope, resources, limits, budget_ids,
  expires_at, revoked_at, parent_id, rule_ids, created_at`

const byIds = `select ${columnList}, ${asOfColumn} from delegations where id = any($1::text[])`

const parse = (row: Row): Delegation => {
  const optional = Object.fromEntries(
    Object.entries(row).map(([name, value]) => [name, value ?? undefined]),
  )
  return { ...optional, limits: agentLimitsSchema.parse(row.limits) } as Delegation
}

/** One pass over what was lent for a person, whatever the number of budgets that are asked for. */
const underBudgets = `
  select * from (
    select ${columnList}, drawn.budget_id, row_number() over (
      partition by drawn.budget_id order by d.created_at desc, d.id desc) as place
    from delegations d cross join lateral unnest(d.budget_ids) as drawn(budget_id)
    where d.subject = $2::text and d.parent_id is not null
      and drawn.budget_id = any($3::text[]) and ${isLive}
  ) ranked
  where place > $4::int and place <= $5::int
  order by place`

/** True while nothing has ended it. Its ancestors are another question: see its lineage. */
export const isAlive = (delegation: Delegation, now: Date): boolean =>
  delegation.revoked_at === undefined &&
  (delegation.expires_at === undefined || delegation.expires_at > now)

/** What a client may do on its own, as its registration says. */
export type Standing = Pick<
  Client,
  'client_id' | 'tenant_id' | 'scope' | 'resources' | 'agent_limits'
>

export const delegationsStore = ({ read, report, drizzle }: Database) => {
  const findMany = batchRows(
    async (ids) => (await read(byIds, [ids])).map(parse),
    ({ id }) => id,
  )
  return {
    findMany,
    find: async (id: string): Promise<Delegation | undefined> => (await findMany([id]))[0],

    /** Live delegations, the newest first. What hangs from something revoked is not alive. */
    list: async (filter: DelegationFilter, now: Date): Promise<Delegation[]> => {
      const { text, params } = listStatement(columnList, filter, now)
      const rows = await report(text, params)
      return rows.map(parse)
    },

    /** For each of these budgets what draws on it, the newest first, without the roots. */
    listUnder: async (
      { subject, budgetIds, skip, limit }: UnderBudgets,
      now: Date,
    ): Promise<Map<string, Delegation[]>> => {
      const values = [now.toISOString(), subject, budgetIds, skip, skip + limit]
      const found = new Map<string, Delegation[]>(budgetIds.map((id) => [id, []]))
      for (const { budget_id: id, place: _, ...row } of await report(underBudgets, values)) {
        found.get(String(id))?.push(parse(row))
      }
      return found
    },

    /** When each was last used: a token issued for it, or a reservation made on it. */
    lastUsed: async (ids: readonly string[]): Promise<Map<string, Date>> => {
      const rows = await report(
        `select one.id, greatest(
         (select issued_at from issuances where delegation_id = one.id
           order by issued_at desc limit 1),
         (select created_at from reservations where delegation_id = one.id
           order by created_at desc limit 1)) as at
       from unnest($1::text[]) as one(id)`,
        [ids],
      )
      return new Map(rows.flatMap(({ id, at }) => (at instanceof Date ? [[String(id), at]] : [])))
    },

    /** The id of the agent's live root, made with `newId` when there is none (any more). */
    ensureRoot: (client: Standing, newId: string, now: Date): Promise<string> =>
      drizzle.transaction((transaction) => ensureRoot(transaction, client, newId, now)),
  }
}

const budgetIdsOf = (client: Pick<Client, 'client_id' | 'tenant_id'>): string[] => [
  ...(client.tenant_id === undefined ? [] : [`tenant:${client.tenant_id}`]),
  `agent:${client.client_id}`,
]

const liveRootOf = (clientId: string) =>
  and(
    eq(table.actor, clientId),
    eq(table.subject, clientId),
    isNull(table.parentId),
    isNull(table.revokedAt),
    // A root has none, and what hangs from it, of the same subject, always has: the index tells them apart.
    isNull(table.expiresAt),
  )

/**
 * The budget of a root is the agent's, not the row's: revoking a root and getting a new one must not
 * refill anything.
 */
export const ensureRoot = async (
  drizzle: Drizzle,
  client: Standing,
  newId: string,
  now: Date,
): Promise<string> => {
  const limits = agentLimitsClaim(client.agent_limits)
  const { costBudget: cap, requestsPerHour } = client.agent_limits
  const budget = { id: `agent:${client.client_id}`, tenantId: client.tenant_id, cap }
  await setBudget(drizzle, { ...budget, requestsPerHour }, now)
  await drizzle
    .insert(table)
    .values({
      id: newId,
      lineage: [newId],
      tenantId: client.tenant_id,
      subject: client.client_id,
      actor: client.client_id,
      scope: [...client.scope],
      resources: [...client.resources],
      limits,
      budgetIds: budgetIdsOf(client),
      createdAt: now,
    })
    .onConflictDoNothing()
  const [root] = await drizzle
    .select({ id: table.id, scope: table.scope, resources: table.resources, limits: table.limits })
    .from(table)
    .where(liveRootOf(client.client_id))
  if (!root) throw new Error('the root delegation vanished while it was made')
  const { id, ...stands } = root
  const wanted = { scope: [...client.scope], resources: [...client.resources], limits }
  // Where nothing changes nothing is locked: other servers are at work with these rows.
  if (!isDeepStrictEqual(stands, wanted)) {
    await drizzle.update(table).set(wanted).where(liveRootOf(client.client_id))
  }
  return id
}
