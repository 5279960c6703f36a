/** Who may delegate to whom. */
import {
  agentLimitsSchema,
  type DelegationRule,
  type RuleParty,
  type RuleSelector,
} from '@behalf/protocol'
import { notInArray } from 'drizzle-orm'
import type { Database, Drizzle, Row } from './database.js'
import { asOfColumn } from './registry-version.js'
import { delegationRules as table } from './schema.js'

export type NewDelegationRule = typeof table.$inferInsert

/** The stored form of a selector. */
export const selectorText = (selector: RuleSelector): string => {
  if (selector === '*') return '*'
  return 'client_id' in selector ? `client:${selector.client_id}` : `type:${selector.agent_type}`
}

const parseSelector = (text: string): RuleSelector => {
  if (text === '*') return '*'
  const name = text.slice(text.indexOf(':') + 1)
  return text.startsWith('client:') ? { client_id: name } : { agent_type: name }
}

const selectorsOf = ({ client_id, agent_type }: RuleParty): string[] => [
  '*',
  `client:${client_id}`,
  ...(agent_type === undefined ? [] : [`type:${agent_type}`]),
]

const parse = (row: Row): DelegationRule => ({
  id: String(row.id),
  from: parseSelector(String(row.from_selector)),
  to: parseSelector(String(row.to_selector)),
  mode: row.mode as DelegationRule['mode'],
  scope: (row.scope ?? undefined) as string[] | undefined,
  resources: (row.resources ?? undefined) as string[] | undefined,
  limits: agentLimitsSchema.parse(row.limits),
  expiresInSeconds: (row.expires_in_seconds ?? undefined) as number | undefined,
})

/** Rules, and the version of the registry that they were read at, if there are any. */
export interface RulesAsOf {
  rules: readonly DelegationRule[]
  as_of: string | undefined
}

export const delegationRulesStore = ({ read }: Database) => ({
  /** Those of these that there still are. */
  findEnabled: async (ids: readonly string[]): Promise<{ id: string; as_of: string }[]> => {
    const rows = await read(
      `select id, ${asOfColumn} from delegation_rules where id = any($1::text[]) and enabled`,
      [ids],
    )
    return rows.map(({ id, as_of }) => ({ id: String(id), as_of: String(as_of) }))
  },

  /** The enabled rules of the tenant whose both ends fit these parties. */
  between: async (
    tenantId: string | undefined,
    from: RuleParty,
    to: RuleParty,
  ): Promise<RulesAsOf> => {
    const rows = await read(
      `select id, from_selector, to_selector, mode, scope, resources, limits, expires_in_seconds,
         ${asOfColumn}
       from delegation_rules
       where from_selector = any($1::text[]) and to_selector = any($2::text[])
         and tenant_id is not distinct from $3::text and enabled`,
      [selectorsOf(from), selectorsOf(to), tenantId ?? null],
    )
    const [first] = rows
    return { rules: rows.map(parse), as_of: first && String(first.as_of) }
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
