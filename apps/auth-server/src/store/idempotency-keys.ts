/** The first answer to a key is the answer to all its repeats, refusals included. */
import { OAuthError } from '@behalf/protocol'
import { and, eq, lt } from 'drizzle-orm'
import type { Database, Drizzle } from './database.js'
import { idempotencyKeys as table } from './schema.js'

export interface KeyedRequest {
  clientId: string
  key: string
  /** Of what was asked: the same key with another hash is a mistake of the caller. */
  requestHash: string
  expiresAt: Date
}

export interface StoredAnswer {
  status: number
  body: Record<string, unknown>
}

const conflict = (): OAuthError =>
  new OAuthError('idempotency_conflict', {
    description: 'This Idempotency-Key was used for another request.',
    reason: 'idempotency_key_reused',
    hint: 'Make a new key for every new request, and repeat it only for retries.',
  })

/**
 * Runs `work` for the first of equal requests. A concurrent repeat waits in the insert until the first
 * has committed, then reads its answer; if the first rolled back, the repeat takes its place.
 *
 * @throws OAuthError `idempotency_conflict`
 */
export const answerOnce = async (
  drizzle: Drizzle,
  { clientId, key, requestHash, expiresAt }: KeyedRequest,
  work: () => Promise<StoredAnswer>,
): Promise<StoredAnswer> => {
  const mine = and(eq(table.clientId, clientId), eq(table.key, key))
  const [first] = await drizzle
    .insert(table)
    .values({ clientId, key, requestHash, expiresAt })
    .onConflictDoNothing()
    .returning({ key: table.key })
  if (first) {
    const answer = await work()
    await drizzle.update(table).set(answer).where(mine)
    return answer
  }
  const [stored] = await drizzle.select().from(table).where(mine)
  if (stored?.requestHash !== requestHash) throw conflict()
  return { status: stored.status ?? 500, body: stored.body ?? {} }
}

export const idempotencyKeysStore = ({ drizzle }: Database) => ({
  forget: async (now: Date): Promise<void> => {
    await drizzle.delete(table).where(lt(table.expiresAt, now))
  },
})
