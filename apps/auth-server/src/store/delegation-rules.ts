/** Who may delegate to whom. */
import { type AgentLimits, agentLimitsSchema } from '@behalf/protocol'
import { notInArray } from 'drizzle-orm'
import type { Database, Drizzle } from './database.js'
import { delegationRules as table } from './schema.js'

export interface DelegationRule {
  id: string
  tenant_id: string | undefined
  scope: readonly string[] | undefined
  resources: readonly string[] | undefined
  limits: AgentLimits
  expires_in_seconds: number | undefined
}

export type NewDelegationRule = typeof table.$inferInsert

export const delegationRulesStore = ({ read }: Database) => ({
  find: async (from: string, to: string): Promise<DelegationRule | undefined> => {
    const [row] = await read(
      `select id, tenant_id, scope, resources, limits, expires_in_seconds from delegation_rules
       where from_client_id = $1 and to_client_id = $2 and enabled`,
      [from, to],
    )
    if (!row) return undefined
    const optional = Object.fromEntries(
      Object.entries(row).map(([name, value]) => [name, value ?? undefined]),
    )
    return { ...optional, limits: agentLimitsSchema.parse(row.limits) } as DelegationRule
  },
})

/** Makes the rules exactly these: a rule that left the configuration must not go on allowing. */
export const replaceRules = async (
  drizzle: Drizzle,
  rules: readonly NewDelegationRule[],
): Promise<void> => {
  const ids = rules.map(({ id }) => id)
  await drizzle.delete(table).where(ids.length > 0 ? notInArray(table.id, ids) : undefined)
  for (const rule of rules) {
    const { id: _, ...set } = rule
    await drizzle.insert(table).values(rule).onConflictDoUpdate({ target: table.id, set })
  }
}
