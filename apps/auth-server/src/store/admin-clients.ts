/** Clients as admins write them down, list them and remove them. */
import { and, asc, eq, gt, isNull, sql } from 'drizzle-orm'
import { applyStanding, type StandingOptions } from './apply-config.js'
import type { NewClient } from './clients.js'
import type { Database, Drizzle } from './database.js'
import type { RegisteredClient } from './registrations.js'
import { revokeStandingOf } from './revocations.js'
import { budgets, clients as table, tenants } from './schema.js'
import { transactions } from './transactions.js'

export interface ClientListFilter {
  tenantId: string | undefined
  after: string | undefined
  limit: number
}

/** With the caps of each day, week and month, in micro-USD as text. */
export type ListedClient = RegisteredClient & { periods: Record<string, string> | null }

/** Its agents and all that was lent to them: what an admin may change about a client. */
export type Standing = Omit<StandingOptions, 'tenantOff'>

const isTenantOff = async (drizzle: Drizzle, tenantId: string | null | undefined) => {
  if (!tenantId) return false
  const [tenant] = await drizzle.select().from(tenants).where(eq(tenants.tenantId, tenantId))
  return tenant?.disabled ?? false
}

const applyRow = async (drizzle: Drizzle, row: RegisteredClient, standing: Standing) => {
  const tenantOff = await isTenantOff(drizzle, row.tenantId)
  await applyStanding(drizzle, row, { ...standing, tenantOff })
}

const ofAdmin = (clientId: string) =>
  and(eq(table.clientId, clientId), eq(table.registeredBy, 'admin'), isNull(table.deletedAt))

/** @returns false when the id is taken, by whomever, or was once */
export const insertClient = async (
  drizzle: Drizzle,
  client: NewClient,
  standing: Standing,
): Promise<boolean> => {
  const [row] = await drizzle.insert(table).values(client).onConflictDoNothing().returning()
  if (row) await applyRow(drizzle, row, standing)
  return row !== undefined
}

/** The row stays, so that its id, which consents, rules and books may still name, is never another's. */
export const retireClient = async (
  drizzle: Drizzle,
  clientId: string,
  now: Date,
): Promise<void> => {
  const gone = { deletedAt: now, disabled: true, clientSecretHash: null, previousSecretHash: null }
  await drizzle
    .update(table)
    .set({ ...gone, redirectUris: [] })
    .where(ofAdmin(clientId))
  await revokeStandingOf(drizzle, { client_id: clientId }, undefined, 'client_deleted', now)
}

export const adminClientsStore = ({ drizzle }: Database) => {
  const transact = transactions(drizzle)
  const listed = (where: ReturnType<typeof and>, limit: number): Promise<ListedClient[]> =>
    drizzle
      .select({ client: table, periods: budgets.periods })
      .from(table)
      .leftJoin(budgets, eq(budgets.id, sql`'agent:' || ${table.clientId}`))
      .where(and(isNull(table.deletedAt), where))
      .orderBy(asc(table.clientId))
      .limit(limit)
      .then((rows) => rows.map(({ client, periods }) => ({ ...client, periods })))

  return {
    hasTenant: async (tenantId: string): Promise<boolean> =>
      (await drizzle.$count(tenants, eq(tenants.tenantId, tenantId))) > 0,

    find: async (clientId: string): Promise<ListedClient | undefined> =>
      (await listed(eq(table.clientId, clientId), 1))[0],

    /** In the order of their ids. */
    list: ({ tenantId, after, limit }: ClientListFilter): Promise<ListedClient[]> =>
      listed(
        and(
          tenantId === undefined ? undefined : eq(table.tenantId, tenantId),
          after === undefined ? undefined : gt(table.clientId, after),
        ),
        limit,
      ),

    /** @returns false when the id is taken, by whomever, or was once */
    add: (client: NewClient, standing: Standing): Promise<boolean> =>
      transact((transaction) => insertClient(transaction, client, standing)),

    /** @returns false when it is no client of an admin (any more) */
    replace: (clientId: string, set: Partial<NewClient>, standing: Standing): Promise<boolean> =>
      transact(async (transaction) => {
        const mine = ofAdmin(clientId)
        const [row] = await transaction.update(table).set(set).where(mine).returning()
        if (row) await applyRow(transaction, row, standing)
        return row !== undefined
      }),

    /** The secret of before is good until `previousUntil`. One statement, so no secret gets lost. */
    rotateSecret: async (
      clientId: string,
      secretHash: string,
      previousUntil: Date | undefined,
    ): Promise<boolean> => {
      const rows = await drizzle
        .update(table)
        .set({
          clientSecretHash: secretHash,
          previousSecretHash: previousUntil ? sql`${table.clientSecretHash}` : null,
          previousSecretExpiresAt: previousUntil ?? null,
        })
        .where(ofAdmin(clientId))
        .returning({ id: table.clientId })
      return rows.length > 0
    },

    /** Ends all that it holds. */
    remove: (client: RegisteredClient, now: Date): Promise<void> =>
      transact(async (transaction) => {
        const { clientId, registeredBy } = client
        if (registeredBy === 'admin') return retireClient(transaction, clientId, now)
        const same = and(eq(table.clientId, clientId), eq(table.registeredBy, registeredBy))
        await transaction.delete(table).where(same)
        const target = { client_id: clientId }
        await revokeStandingOf(transaction, target, undefined, 'client_deleted', now)
      }),
  }
}
