/** Delegations: the tree of lent authority. */
import { type Actor, type AgentLimits, agentLimitsClaim, agentLimitsSchema } from '@behalf/protocol'
import { and, eq, isNull, sql } from 'drizzle-orm'
import type { Client } from './clients.js'
import type { Database, Drizzle, Row } from './database.js'
import { budgets, delegations as table } from './schema.js'

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
}

const columns = `
  select id, lineage, tenant_id, subject, actor, act, scope, resources, limits, budget_ids,
    expires_at, revoked_at
  from delegations`

const parse = (row: Row): Delegation => {
  const optional = Object.fromEntries(
    Object.entries(row).map(([name, value]) => [name, value ?? undefined]),
  )
  return { ...optional, limits: agentLimitsSchema.parse(row.limits) } as Delegation
}

/** True while nothing has ended it. Its ancestors are another question: see its lineage. */
export const isAlive = (delegation: Delegation, now: Date): boolean =>
  delegation.revoked_at === undefined &&
  (delegation.expires_at === undefined || delegation.expires_at > now)

/** What a client may do on its own, as its registration says. */
export type Standing = Pick<
  Client,
  'client_id' | 'tenant_id' | 'scope' | 'resources' | 'agent_limits'
>

export const delegationsStore = ({ read, drizzle }: Database) => ({
  find: async (id: string): Promise<Delegation | undefined> => {
    const [row] = await read(`${columns} where id = $1`, [id])
    return row && parse(row)
  },

  /** Those that there are, in no order. */
  findMany: async (ids: readonly string[]): Promise<Delegation[]> =>
    (await read(`${columns} where id = any($1::text[])`, [ids])).map(parse),

  /** The id of the agent's live root, made with `newId` when there is none (any more). */
  ensureRoot: (client: Standing, newId: string, now: Date): Promise<string> =>
    drizzle.transaction((transaction) => ensureRoot(transaction, client, newId, now)),
})

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
  await setCap(
    drizzle,
    `agent:${client.client_id}`,
    client.tenant_id,
    client.agent_limits.costBudget,
  )
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
    .update(table)
    .set({ scope: [...client.scope], resources: [...client.resources], limits })
    .where(liveRootOf(client.client_id))
    .returning({ id: table.id })
  if (!root) throw new Error('the root delegation vanished while it was made')
  return root.id
}

/** Creates a budget or moves its cap; never below what is already spent and held. */
export const setCap = async (
  drizzle: Drizzle,
  id: string,
  tenantId: string | undefined,
  cap: bigint | undefined,
): Promise<void> => {
  const wanted = cap ?? null
  await drizzle
    .insert(budgets)
    .values({ id, tenantId, cap: wanted })
    .onConflictDoUpdate({
      target: budgets.id,
      set: { cap: sql`greatest(${wanted}::bigint, ${budgets.spent} + ${budgets.held})` },
      setWhere: sql`${wanted}::bigint is not null`,
    })
  if (cap === undefined) {
    await drizzle.update(budgets).set({ cap: null }).where(eq(budgets.id, id))
  }
}
