/** Device codes: asked for, looked at by one session, decided once. RFC 8628. */
import { and, eq, gt, isNull, lt, or, sql } from 'drizzle-orm'
import type { Database } from './database.js'
import { deviceCodes as table } from './schema.js'

export type DeviceCode = typeof table.$inferSelect

export interface NewDeviceCode {
  deviceCodeHash: string
  userCodeHash: string
  clientId: string
  scope: string[]
  resources: string[]
  createdAt: Date
  expiresAt: Date
  interval: number
}

/** Who has typed the code in. */
export interface Looker {
  sessionId: string
  subject: string
}

/** Codes that one client may have waiting at a time: each is one more that a guess could hit. */
const maxWaiting = 10_000

/** RFC 8628 §3.5: what a device that asks too soon has to add. Seconds. */
const slowDownBy = 5
const maxInterval = 60

const keptMs = 3_600_000

const isUndecided = (userCodeHash: string, by: Looker, now: Date) =>
  and(
    eq(table.userCodeHash, userCodeHash),
    eq(table.sessionId, by.sessionId),
    eq(table.subject, by.subject),
    gt(table.expiresAt, now),
    isNull(table.decidedAt),
  )

export const deviceCodesStore = ({ drizzle }: Database) => ({
  /** @returns `taken` when the user code is somebody's already, `full` when the client has too many */
  insert: async (code: NewDeviceCode): Promise<'made' | 'taken' | 'full'> => {
    const waiting = await drizzle.$count(
      table,
      and(eq(table.clientId, code.clientId), gt(table.expiresAt, code.createdAt)),
    )
    if (waiting >= maxWaiting) return 'full'
    const made = await drizzle
      .insert(table)
      .values(code)
      .onConflictDoNothing()
      .returning({ hash: table.deviceCodeHash })
    return made.length > 0 ? 'made' : 'taken'
  },

  /**
   * Binds a code to the session that typed it in. From then on it is unknown to every other one:
   * whoever agrees is whoever was shown what they agree to.
   */
  look: async (userCodeHash: string, by: Looker, now: Date): Promise<DeviceCode | undefined> => {
    const [code] = await drizzle
      .update(table)
      .set(by)
      .where(
        and(
          eq(table.userCodeHash, userCodeHash),
          gt(table.expiresAt, now),
          isNull(table.decidedAt),
          or(
            isNull(table.sessionId),
            and(eq(table.sessionId, by.sessionId), eq(table.subject, by.subject)),
          ),
        ),
      )
      .returning()
    return code
  },

  /** What this session has looked at, and nobody has decided yet. */
  lookedAt: async (
    userCodeHash: string,
    by: Looker,
    now: Date,
  ): Promise<DeviceCode | undefined> => {
    const [code] = await drizzle
      .select()
      .from(table)
      .where(isUndecided(userCodeHash, by, now))
    return code
  },

  /** The one decision there is, by the session that looked. */
  decide: async (
    userCodeHash: string,
    by: Looker,
    approved: boolean,
    now: Date,
  ): Promise<DeviceCode | undefined> => {
    const [code] = await drizzle
      .update(table)
      .set({ decidedAt: now, approved })
      .where(isUndecided(userCodeHash, by, now))
      .returning()
    return code
  },

  /**
   * The device asks, and asking too soon it must wait longer from then on (RFC 8628 §3.5).
   *
   * @returns the code as it is now; `polledTooSoon` is about this question
   */
  poll: async (
    deviceCodeHash: string,
    clientId: string,
    now: Date,
  ): Promise<DeviceCode | undefined> => {
    const at = sql`${now.toISOString()}::text::timestamptz`
    // A second is allowed for what the network does to the distance of two questions.
    const tooSoon = sql`coalesce(
      ${table.polledAt} + (${table.interval} - 1) * interval '1 second' > ${at}, false)`
    const slower = sql`least(${table.interval} + ${slowDownBy}::int, ${maxInterval}::int)`
    const [code] = await drizzle
      .update(table)
      .set({
        polledAt: now,
        polledTooSoon: tooSoon,
        interval: sql`case when ${tooSoon} then ${slower} else ${table.interval} end`,
      })
      .where(and(eq(table.deviceCodeHash, deviceCodeHash), eq(table.clientId, clientId)))
      .returning()
    return code
  },

  /** Kept for a while after their time, so that a late device learns that it was late. */
  forget: async (now: Date): Promise<void> => {
    const before = new Date(now.getTime() - keptMs)
    await drizzle.delete(table).where(lt(table.expiresAt, before))
  },
})
