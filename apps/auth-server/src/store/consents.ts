/** Consents: what a person lets a client do, with the root delegation and the budget of each. */
import { type Actor, type AgentLimits, agentLimitsClaim, agentLimitsSchema } from '@behalf/protocol'
import { type SQL, sql } from 'drizzle-orm'
import type { Granted } from '../authorization/request.js'
import { setBudget } from './budgets.js'
import { type Database, type Drizzle, type Row, rowsOf } from './database.js'
import { withRetry } from './failures.js'
import { revokeStandingOf } from './revocations.js'
import { budgets, consents, delegations } from './schema.js'

export interface Consent {
  id: string
  subject: string
  client_id: string
  tenant_id: string | undefined
  scope: readonly string[]
  resources: readonly string[]
  granted: Granted
  limits: AgentLimits
  /** Those that the client itself had when the person agreed. */
  client_limits: AgentLimits
  delegation_id: string
  created_at: Date
  expires_at: Date | undefined
}

/** What a person has agreed to. */
export interface Agreement {
  subject: string
  client_id: string
  tenant_id: string | undefined
  act: Actor | undefined
  granted: Granted
  /** The issuer stands for what is said of the person: it is no resource. */
  issuer: string
  limits: AgentLimits
  client_limits: AgentLimits
  expires_at: Date | undefined
}

/** More than anybody reads on one page. */
export const consentsPerPage = 20

export const consentBudget = (consentId: string): string => `consent:${consentId}`

const columns = `c.id, c.subject, c.client_id, c.tenant_id, c.scope, c.resources, c.granted, c.limits,
  c.client_limits, c.delegation_id, c.created_at, c.expires_at`

/** With its root revoked, by whoever that was, a consent is over: nobody is asked whether it stands. */
const isAlive = `c.revoked_at is null and (c.expires_at is null or c.expires_at > $1::text::timestamptz)
  and exists (select from delegations d where d.id = c.delegation_id and d.revoked_at is null)`

/** Of drizzle's own client a time comes as text. */
const toDate = (value: unknown): Date => (value instanceof Date ? value : new Date(String(value)))

const parse = (row: Row): Consent => ({
  ...(row as unknown as Consent),
  tenant_id: (row.tenant_id ?? undefined) as string | undefined,
  created_at: toDate(row.created_at),
  expires_at: row.expires_at === null ? undefined : toDate(row.expires_at),
  limits: agentLimitsSchema.parse(row.limits),
  client_limits: agentLimitsSchema.parse(row.client_limits),
})

const unite = (one: Granted, other: Granted): Granted =>
  Object.fromEntries(
    [...new Set([...Object.keys(one), ...Object.keys(other)])].map((target) => [
      target,
      [...new Set([...(one[target] ?? []), ...(other[target] ?? [])])],
    ]),
  )

/** Ends it, and all that hangs from its roots. */
const end = async (drizzle: Drizzle, id: string, cause: string, now: Date): Promise<void> => {
  await drizzle.execute(
    sql`update consents set revoked_at = ${now.toISOString()}::text::timestamptz where id = ${id}`,
  )
  await revokeStandingOf(drizzle, { consent_id: id }, undefined, cause, now)
}

const consentLock = 5_291_704

/** One at a time for each person and client: two forms sent at once must not make two consents. */
const lockPair = async (drizzle: Drizzle, { subject, client_id }: Agreement): Promise<void> => {
  const pair = `${subject} ${client_id}`
  await drizzle.execute(
    sql`select pg_advisory_xact_lock(${consentLock}::int, hashtext(${pair}::text))`,
  )
}

const alivePart = (now: Date): SQL => sql`
  (c.expires_at is null or c.expires_at > ${now.toISOString()}::text::timestamptz)
  and exists (select from delegations d where d.id = c.delegation_id and d.revoked_at is null)`

/** The live one of the pair. One that is over but was never ended is ended here. */
const takeLive = async (
  drizzle: Drizzle,
  { subject, client_id, tenant_id }: Agreement,
  now: Date,
): Promise<Consent | undefined> => {
  const result = await drizzle.execute(sql`
    select ${sql.raw(columns)}, ${alivePart(now)} as alive from consents c
    where c.subject = ${subject} and c.client_id = ${client_id}
      and c.tenant_id is not distinct from ${tenant_id ?? null}::text and c.revoked_at is null
    for update`)
  const [row] = rowsOf(result)
  if (!row) return undefined
  if (row.alive === true) return parse(row)
  await end(drizzle, String(row.id), 'consent_over', now)
  return undefined
}

const budgetIdsOf = (tenantId: string | undefined, consentId: string): string[] => [
  ...(tenantId === undefined ? [] : [`tenant:${tenantId}`]),
  consentBudget(consentId),
]

/** Spending so far stays; the cap is what the person says now. */
const fund = async (
  drizzle: Drizzle,
  consentId: string,
  { tenant_id: tenantId, limits }: Agreement,
  now: Date,
): Promise<void> => {
  if (tenantId !== undefined) {
    const tenantBudget = { id: `tenant:${tenantId}`, tenantId }
    await drizzle.insert(budgets).values(tenantBudget).onConflictDoNothing()
  }
  const { costBudget: cap, requestsPerHour } = limits
  await setBudget(drizzle, { id: consentBudget(consentId), tenantId, cap, requestsPerHour }, now)
}

/** Older roots stay, for what was given under them; the day on which all of it ends is one. */
const moveEnd = (drizzle: Drizzle, { id, subject }: Consent, expiresAt: Date | undefined) =>
  drizzle.execute(sql`
    update delegations set expires_at = ${expiresAt?.toISOString() ?? null}::text::timestamptz
    where parent_id is null and subject = ${subject} and revoked_at is null
      and ${consentBudget(id)} = any(budget_ids)`)

export interface ConsentIds {
  consent: string
  delegation: string
}

const record = async (
  drizzle: Drizzle,
  agreement: Agreement,
  live: Consent | undefined,
  ids: ConsentIds,
  now: Date,
): Promise<Consent> => {
  const { subject, client_id, tenant_id, act, issuer, limits, client_limits, expires_at } =
    agreement
  const id = live?.id ?? ids.consent
  const granted = unite(live?.granted ?? {}, agreement.granted)
  const scope = [...new Set(Object.values(granted).flat())]
  const resources = Object.keys(granted).filter((target) => target !== issuer)
  const created_at = live?.created_at ?? now
  const delegation_id = ids.delegation
  await fund(drizzle, id, agreement, now)
  await drizzle.insert(delegations).values({
    id: delegation_id,
    lineage: [delegation_id],
    tenantId: tenant_id,
    subject,
    actor: client_id,
    act,
    scope,
    resources,
    limits: agentLimitsClaim(limits),
    budgetIds: budgetIdsOf(tenant_id, id),
    createdAt: now,
    expiresAt: expires_at,
  })
  const set = {
    scope,
    resources,
    granted: Object.fromEntries(Object.entries(granted).map(([name, all]) => [name, [...all]])),
    limits: agentLimitsClaim(limits),
    clientLimits: agentLimitsClaim(client_limits),
    delegationId: delegation_id,
    expiresAt: expires_at ?? null,
  }
  await drizzle
    .insert(consents)
    .values({ id, subject, clientId: client_id, tenantId: tenant_id, createdAt: now, ...set })
    .onConflictDoUpdate({ target: consents.id, set })
  if (live) await moveEnd(drizzle, live, expires_at)
  return {
    ...{ id, subject, client_id, tenant_id, scope, resources, granted, limits, delegation_id },
    ...{ client_limits, created_at, expires_at },
  }
}

export const consentsStore = ({ read, drizzle, urgent }: Database) => ({
  /** The live consent of a person for a client, as a member of this organization. */
  findLive: async (
    subject: string,
    clientId: string,
    tenantId: string | undefined,
    now: Date,
  ): Promise<Consent | undefined> => {
    const [row] = await read(
      `select ${columns} from consents c
       where ${isAlive} and c.subject = $2 and c.client_id = $3
         and c.tenant_id is not distinct from $4::text`,
      [now.toISOString(), subject, clientId, tenantId ?? null],
    )
    return row && parse(row)
  },

  find: async (id: string, now: Date): Promise<Consent | undefined> => {
    const text = `select ${columns} from consents c where ${isAlive} and c.id = $2`
    const [row] = await read(text, [now.toISOString(), id])
    return row && parse(row)
  },

  /** Live ones of a person, the newest first. @returns one more than a page when there is a next one */
  listLive: async (subject: string, now: Date, page = 0): Promise<Consent[]> => {
    const rows = await read(
      `select ${columns} from consents c where ${isAlive} and c.subject = $2
       order by c.created_at desc, c.id limit $3::text::int offset $4::text::int`,
      [now.toISOString(), subject, String(consentsPerPage + 1), String(page * consentsPerPage)],
    )
    return rows.map(parse)
  },

  /** Adds to what was agreed before, and makes a new root on the same budget. */
  agree: (agreement: Agreement, ids: ConsentIds, now: Date): Promise<Consent> =>
    withRetry(() =>
      drizzle.transaction(async (transaction) => {
        await lockPair(transaction, agreement)
        const live = await takeLive(transaction, agreement, now)
        return record(transaction, agreement, live, ids, now)
      }),
    ),

  /** @returns false when this person has no such consent, or no longer */
  revoke: (id: string, subject: string, now: Date): Promise<boolean> =>
    withRetry(() =>
      urgent.transaction(async (transaction) => {
        const result = await transaction.execute(sql`
          select id from consents
          where id = ${id} and subject = ${subject} and revoked_at is null for update`)
        if (rowsOf(result).length === 0) return false
        await end(transaction, id, 'consent_revoked', now)
        return true
      }),
    ),
})
