/** Protected resources as admins write them down, list them and remove them, and the keys of their servers. */
import { and, asc, eq, gt, isNull, sql } from 'drizzle-orm'
import { insertClient, retireClient, type Standing } from './admin-clients.js'
import type { NewClient } from './clients.js'
import type { Database, Drizzle } from './database.js'
import type { NewResource } from './resources.js'
import { retiredResources, resources as table } from './schema.js'
import { transactions } from './transactions.js'

export type ListedResource = typeof table.$inferSelect

/** What an admin may say of a resource that is there. */
export type ResourceSet = Partial<
  Pick<NewResource, 'scopesSupported' | 'scopeDescriptions' | 'clientId'>
>

export interface ResourceListFilter {
  tenantId: string | undefined
  after: string | undefined
  limit: number
}

/** The client of a resource server that is made for its resource. */
export interface NewKey {
  client: NewClient
  standing: Standing
}

/** What everybody may be told of, in the order of the URIs. */
export interface OpenResources {
  resources: { resource: string; scopes_supported: string[] }[]
  /** There are others, which are not told. */
  isPartial: boolean
}

const ofAdmin = (resource: string) =>
  and(eq(table.resource, resource), eq(table.registeredBy, 'admin'))

const serverIs = (clientId: string | null) =>
  clientId === null ? isNull(table.clientId) : eq(table.clientId, clientId)

/** Asked after the insertion, which waits for a removal of the same URI that has not committed yet. */
const isRetiredElsewhere = async (
  drizzle: Drizzle,
  resource: string,
  tenantId: string | null | undefined,
): Promise<boolean> => {
  const owner = sql`${retiredResources.tenantId} is distinct from ${tenantId ?? null}::text`
  return (
    (await drizzle.$count(retiredResources, and(eq(retiredResources.resource, resource), owner))) >
    0
  )
}

const retire = async (drizzle: Drizzle, row: ListedResource, now: Date): Promise<void> => {
  const set = { tenantId: row.tenantId, retiredAt: now }
  await drizzle
    .insert(retiredResources)
    .values({ resource: row.resource, ...set })
    .onConflictDoUpdate({ target: retiredResources.resource, set })
}

const isServing = async (drizzle: Drizzle, clientId: string): Promise<boolean> =>
  (await drizzle.$count(table, eq(table.clientId, clientId))) > 0

export const adminResourcesStore = ({ drizzle, read }: Database) => {
  const transact = transactions(drizzle)
  return {
    find: async (resource: string): Promise<ListedResource | undefined> =>
      (await drizzle.select().from(table).where(eq(table.resource, resource)))[0],

    /** In the order of their URIs. */
    list: ({ tenantId, after, limit }: ResourceListFilter): Promise<ListedResource[]> =>
      drizzle
        .select()
        .from(table)
        .where(
          and(
            tenantId === undefined ? undefined : eq(table.tenantId, tenantId),
            after === undefined ? undefined : gt(table.resource, after),
          ),
        )
        .orderBy(asc(table.resource))
        .limit(limit),

    /** The unique key decides. @returns false when the URI is taken, or was another tenant's once */
    add: (row: NewResource, key: NewKey | undefined): Promise<boolean> =>
      transact(async (transaction) => {
        const rows = await transaction.insert(table).values(row).onConflictDoNothing().returning()
        if (rows.length === 0) return false
        if (await isRetiredElsewhere(transaction, row.resource, row.tenantId)) {
          await transaction.delete(table).where(eq(table.resource, row.resource))
          return false
        }
        if (key) await insertClient(transaction, key.client, key.standing)
        return true
      }),

    /** @returns nothing when it is no resource of an admin (any more) */
    replace: async (resource: string, set: ResourceSet): Promise<ListedResource | undefined> =>
      (await drizzle.update(table).set(set).where(ofAdmin(resource)).returning())[0],

    /**
     * A server of its own for a resource that has none. Of two at once the first gives it one.
     *
     * @param before what the resource names as its server now, and what is not there any more
     * @returns false when it has been given another one meanwhile
     */
    addKey: (resource: string, before: string | null, key: NewKey): Promise<boolean> =>
      transact(async (transaction) => {
        const rows = await transaction
          .update(table)
          .set({ clientId: key.client.clientId })
          .where(and(ofAdmin(resource), serverIs(before)))
          .returning()
        if (rows.length > 0) await insertClient(transaction, key.client, key.standing)
        return rows.length > 0
      }),

    /** Ends the client, and with it all keys of all resources that it serves. */
    removeKeys: (clientId: string, now: Date): Promise<void> =>
      transact(async (transaction) => {
        const served = and(eq(table.clientId, clientId), eq(table.registeredBy, 'admin'))
        await transaction.update(table).set({ clientId: null }).where(served)
        await retireClient(transaction, clientId, now)
      }),

    /**
     * @param keyClient the client that was made for it: it goes too, unless it serves another resource
     * @returns false when it is no resource of an admin (any more)
     */
    remove: (resource: string, keyClient: string | undefined, now: Date): Promise<boolean> =>
      transact(async (transaction) => {
        const [row] = await transaction.delete(table).where(ofAdmin(resource)).returning()
        if (!row) return false
        await retire(transaction, row, now)
        if (keyClient !== undefined && !(await isServing(transaction, keyClient))) {
          await retireClient(transaction, keyClient, now)
        }
        return true
      }),

    /** Those that belong to no tenant. */
    listOpen: async (limit: number): Promise<OpenResources> => {
      const rows = await read(
        `select resource, scopes_supported from resources where tenant_id is null
         order by resource limit $1::int`,
        [limit + 1],
      )
      const [others] = await read(
        'select exists (select from resources where tenant_id is not null) as some',
        [],
      )
      const resources = rows.slice(0, limit) as unknown as OpenResources['resources']
      return { resources, isPartial: rows.length > limit || others?.some === true }
    },
  }
}
