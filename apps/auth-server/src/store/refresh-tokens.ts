/** Refresh tokens, by their hash. Each is used once, and its successor is known. RFC 9700 §4.14. */
import type { Database, Row } from './database.js'

export interface NewRefreshToken {
  token_hash: string
  /** The family. */
  delegation_id: string
  client_id: string
  consent_id: string
  authenticated_at: Date
  created_at: Date
  expires_at: Date
  family_expires_at: Date
}

export interface RefreshToken extends NewRefreshToken {
  consumed_at: Date | undefined
  successor_hash: string | undefined
  successor_sealed: string | undefined
  /** True when its successor was used as well. */
  successor_used: boolean
}

const columns = `token_hash, delegation_id, client_id, consent_id, authenticated_at, created_at,
  expires_at, family_expires_at`

const find = `
  select ${columns
    .split(',')
    .map((name) => `t.${name.trim()}`)
    .join(', ')},
    t.consumed_at, t.successor_hash, t.successor_sealed,
    exists (select from refresh_tokens s where s.token_hash = t.successor_hash
      and s.consumed_at is not null) as successor_used
  from refresh_tokens t where t.token_hash = $1`

/** One statement: of those who come at once, one makes the successor. */
const rotate = `
  with used as (
    update refresh_tokens set consumed_at = $4::text::timestamptz, successor_hash = $2,
      successor_sealed = $3
    where token_hash = $1 and consumed_at is null and expires_at > $4::text::timestamptz
      and family_expires_at > $4::text::timestamptz
    returning delegation_id, client_id, consent_id, authenticated_at, family_expires_at
  )
  insert into refresh_tokens (${columns})
  select $2, delegation_id, client_id, consent_id, authenticated_at, $4::text::timestamptz,
    least($5::text::timestamptz, family_expires_at), family_expires_at
  from used returning token_hash`

const parse = (row: Row): RefreshToken =>
  Object.fromEntries(
    Object.entries(row).map(([name, value]) => [name, value ?? undefined]),
  ) as unknown as RefreshToken

export interface Rotation {
  from: string
  to: string
  /** The successor itself, sealed. */
  sealed: string
  expiresAt: Date
}

export const refreshTokensStore = ({ read, write }: Database) => ({
  find: async (hash: string): Promise<RefreshToken | undefined> => {
    const [row] = await read(find, [hash])
    return row && parse(row)
  },

  /** @returns false when it was used before, or is dead */
  rotate: async ({ from, to, sealed, expiresAt }: Rotation, now: Date): Promise<boolean> => {
    const params = [from, to, sealed, now.toISOString(), expiresAt.toISOString()]
    return (await write(rotate, params)).length === 1
  },
})
