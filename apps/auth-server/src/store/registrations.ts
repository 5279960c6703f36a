/** Clients that nobody has written down for them: registered by themselves, or read from a document. */
import { and, eq, sql } from 'drizzle-orm'
import type { NewClient } from './clients.js'
import { type Database, type Drizzle, rowsOf } from './database.js'
import { revokeStandingOf } from './revocations.js'
import { type Registrant, clients as table } from './schema.js'
import { transactions } from './transactions.js'

const registrationLock = 5_291_705

/** A client as it stands in its table. */
export type RegisteredClient = typeof table.$inferSelect

/** What a client that registers itself may replace. */
export type ReplacedMembers = Omit<Partial<NewClient>, 'clientId' | 'registeredBy' | 'tenantId'>

/** Before these moments it must have been used, or made, to be called unused. */
export interface ReapCutoffs {
  unused: Date
  idle: Date
}

const at = (date: Date) => sql`${date.toISOString()}::text::timestamptz`

const heldBy = (clientId: string, tokenHash: string) =>
  and(
    eq(table.clientId, clientId),
    eq(table.registeredBy, 'dynamic'),
    eq(table.registrationTokenHash, tokenHash),
  )

/** What lives from one of these clients: somebody's consent, for one. */
const isStoodOn = (now: Date) => sql`exists (
  select from delegations d where d.actor = c.client_id and d.revoked_at is null
    and (d.expires_at is null or d.expires_at > ${at(now)}))`

export const registrationsStore = ({ drizzle }: Database) => {
  const transact = transactions(drizzle)
  return {
    find: async (clientId: string): Promise<RegisteredClient | undefined> =>
      (await drizzle.select().from(table).where(eq(table.clientId, clientId)))[0],

    /** A client that the operator or an admin wrote down under this id stays as it is. */
    putDocument: async (client: NewClient): Promise<void> => {
      const { clientId: _, createdAt: __, ...set } = client
      await drizzle
        .insert(table)
        .values(client)
        .onConflictDoUpdate({
          target: table.clientId,
          set,
          setWhere: eq(table.registeredBy, 'metadata_document'),
        })
    },

    /** @returns false when there are too many already: counted under a lock, so never one more */
    addDynamic: (client: NewClient, maxClients: number): Promise<boolean> =>
      transact(async (transaction) => {
        await transaction.execute(sql`select pg_advisory_xact_lock(${registrationLock}::bigint)`)
        const registered = eq(table.registeredBy, 'dynamic')
        if ((await transaction.$count(table, registered)) >= maxClients) return false
        await transaction.insert(table).values(client)
        return true
      }),

    /**
     * One statement decides who holds the token, so of two updates with the same one the second fails.
     *
     * @param revoked why all that was granted ends, if it does
     */
    replaceDynamic: (
      clientId: string,
      tokenHash: string,
      set: ReplacedMembers,
      revoked: { cause: string | undefined; now: Date },
    ): Promise<RegisteredClient | undefined> =>
      transact(async (transaction) => {
        const held = heldBy(clientId, tokenHash)
        const [row] = await transaction.update(table).set(set).where(held).returning()
        if (row && revoked.cause !== undefined) {
          const target = { client_id: clientId }
          await revokeStandingOf(transaction, target, undefined, revoked.cause, revoked.now)
        }
        return row
      }),

    /** Ends all that was granted to it. @returns false when the token is no longer that of the client */
    removeDynamic: (clientId: string, tokenHash: string, now: Date): Promise<boolean> =>
      transact(async (transaction) => {
        const held = heldBy(clientId, tokenHash)
        const rows = await transaction.delete(table).where(held).returning({ id: table.clientId })
        if (rows.length === 0) return false
        const target = { client_id: clientId }
        await revokeStandingOf(transaction, target, undefined, 'client_deleted', now)
        return true
      }),

    noteUse: async (clientId: string, now: Date): Promise<void> => {
      await drizzle.update(table).set({ lastUsedAt: now }).where(eq(table.clientId, clientId))
    },

    /** Removes a batch of clients that nobody uses and nothing stands on. @returns how many */
    reap: async (
      registrant: Registrant,
      { unused, idle }: ReapCutoffs,
      now: Date,
      limit: number,
    ): Promise<number> => {
      const result = await drizzle.execute(sql`
      delete from clients where client_id in (
        select c.client_id from clients c
        where c.registered_by = ${registrant}::text and c.registered_by in ('dynamic', 'metadata_document')
          and case when c.last_used_at is null
            then coalesce(c.document_fetched_at, c.created_at) < ${at(unused)}
            else c.last_used_at < ${at(idle)} end
          and not ${isStoodOn(now)}
        limit ${limit}::int
        for update of c skip locked)
      returning client_id`)
      return rowsOf(result).length
    },
  }
}

/**
 * Holds those who are there already to what the operator allows today. Where nothing changes nothing is
 * written: other servers are at work with these rows.
 */
export const alignSelfRegistered = async (
  drizzle: Drizzle,
  registrant: Registrant,
  { scope, resources }: { scope: readonly string[]; resources: readonly string[] },
): Promise<void> => {
  const list = (items: readonly string[]) =>
    sql`${`{${items.map(quoted).join(',')}}`}::text::text[]`
  const allowed = sql`array(select word from unnest(${list(scope)}) as word
    where c.requested_scope is null or word = any(c.requested_scope))`
  await drizzle.execute(sql`
    update clients c set scope = ${allowed}, resources = ${list(resources)}
    where c.registered_by = ${registrant}::text
      and (c.scope <> ${allowed} or c.resources <> ${list(resources)})`)
}

/** An element of an array literal of PostgreSQL. */
const quoted = (item: string): string => `"${item.replaceAll(/["\\]/g, '\\$&')}"`
