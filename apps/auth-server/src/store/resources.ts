/** Protected resources, by their RFC 8707 URI. */
import { batchRows } from './batch-rows.js'
import type { Database, Drizzle, Row } from './database.js'
import { asOfColumn } from './registry-version.js'
import { resources as table } from './schema.js'

export interface Resource {
  resource: string
  tenant_id: string | undefined
  scopes_supported: readonly string[]
  client_id: string | undefined
  /** Scopes in plain words. */
  scope_descriptions: Readonly<Record<string, string>>
  /** The version of the registry that this was read at. */
  as_of: string
}

export type NewResource = typeof table.$inferInsert

const parse = (row: Row): Resource =>
  ({
    ...row,
    tenant_id: row.tenant_id ?? undefined,
    client_id: row.client_id ?? undefined,
  }) as Resource

const columns = `resource, tenant_id, scopes_supported, client_id, scope_descriptions, ${asOfColumn}`

export const resourcesStore = ({ read }: Database) => ({
  findMany: batchRows(
    async (uris) =>
      (await read(`select ${columns} from resources where resource = any($1::text[])`, [uris])).map(
        parse,
      ),
    ({ resource }) => resource,
  ),

  /** The resource of a resource server's client, for RFC 8693 `audience`. */
  findByClients: async (clientIds: readonly string[]): Promise<Resource[]> => {
    const rows = await read(
      `select ${columns} from resources
       where client_id = any($1::text[])`,
      [clientIds],
    )
    return rows as unknown as Resource[]
  },
})

export const upsertResource = async (drizzle: Drizzle, resource: NewResource): Promise<void> => {
  const { resource: _, ...set } = resource
  await drizzle.insert(table).values(resource).onConflictDoUpdate({ target: table.resource, set })
}
