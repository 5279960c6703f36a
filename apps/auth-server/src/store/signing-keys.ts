/** Signing keys, private halves sealed. */
import type { SigningAlgorithm } from '@behalf/protocol'
import { sql } from 'drizzle-orm'
import type { Database } from './database.js'
import { signingKeys as table } from './schema.js'

export interface StoredKey {
  kid: string
  alg: SigningAlgorithm
  publicJwk: Record<string, unknown>
  privateKeySealed: string
  createdAt: Date
  activeFrom: Date
}

const rotationLock = 5_291_702

export const signingKeysStore = ({ drizzle }: Database) => ({
  list: (): Promise<StoredKey[]> => drizzle.select().from(table),

  /** Asks `create` for a new key, given those there are, while no other process can do the same. */
  rotate: (create: (keys: StoredKey[]) => StoredKey | undefined): Promise<StoredKey[]> =>
    drizzle.transaction(async (transaction) => {
      await transaction.execute(sql`select pg_advisory_xact_lock(${rotationLock}::bigint)`)
      const keys = await transaction.select().from(table)
      const key = create(keys)
      if (!key) return keys
      await transaction.insert(table).values(key)
      return [...keys, key]
    }),
})
