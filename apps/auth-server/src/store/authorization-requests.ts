/** Authorization requests that wait, for their client or for a person. RFC 9126. */
import { lt } from 'drizzle-orm'
import type { Parameters } from '../authorization/request.js'
import type { Database, Row } from './database.js'
import { authorizationRequests as table } from './schema.js'

export interface NewAuthorizationRequest {
  request_hash: string
  kind: 'pushed' | 'waiting'
  client_id: string
  parameters: Parameters
  authenticate_after: Date | undefined
  session_id: string | undefined
  created_at: Date
  expires_at: Date
}

export interface WaitingRequest {
  parameters: Parameters
  authenticate_after: Date | undefined
}

const insert = `
  insert into authorization_requests (request_hash, kind, client_id, parameters, authenticate_after,
    session_id, created_at, expires_at)
  values ($1, $2, $3, $4::text::jsonb, $5::text::timestamptz, $6, $7::text::timestamptz,
    $8::text::timestamptz)`

/** Pushed ones once: the second to come finds it used. RFC 9126 §4. */
const takePushed = `
  update authorization_requests set consumed_at = $3::text::timestamptz
  where request_hash = $1 and kind = 'pushed' and client_id = $2 and consumed_at is null
    and expires_at > $3::text::timestamptz
  returning parameters`

const peek = `
  select parameters, authenticate_after from authorization_requests
  where request_hash = $1 and kind = 'waiting' and consumed_at is null
    and expires_at > $2::text::timestamptz`

/** The first session that is shown the question has it for good. */
const show = `
  update authorization_requests set session_id = $2
  where request_hash = $1 and kind = 'waiting' and consumed_at is null
    and expires_at > $3::text::timestamptz and coalesce(session_id, $2) = $2
  returning parameters, authenticate_after`

/** Decided once, by the session that it was shown to. */
const decide = `
  update authorization_requests set consumed_at = $3::text::timestamptz
  where request_hash = $1 and kind = 'waiting' and session_id = $2 and consumed_at is null
    and expires_at > $3::text::timestamptz
  returning parameters, authenticate_after`

const parse = (row: Row): WaitingRequest => ({
  parameters: row.parameters as Parameters,
  authenticate_after: (row.authenticate_after ?? undefined) as Date | undefined,
})

export const authorizationRequestsStore = ({ read, write, drizzle }: Database) => ({
  insert: async (row: NewAuthorizationRequest): Promise<void> => {
    await write(insert, [
      row.request_hash,
      row.kind,
      row.client_id,
      JSON.stringify(row.parameters),
      row.authenticate_after?.toISOString() ?? null,
      row.session_id ?? null,
      row.created_at.toISOString(),
      row.expires_at.toISOString(),
    ])
  },

  /** The parameters of a pushed request, to the client that pushed it, once. */
  takePushed: async (
    hash: string,
    clientId: string,
    now: Date,
  ): Promise<Parameters | undefined> => {
    const [row] = await write(takePushed, [hash, clientId, now.toISOString()])
    return row && parse(row).parameters
  },

  /** One that waits, for whoever has its secret: nothing comes of it before it is shown. */
  find: async (hash: string, now: Date): Promise<WaitingRequest | undefined> => {
    const [row] = await read(peek, [hash, now.toISOString()])
    return row && parse(row)
  },

  /** @returns `undefined` as well when another session has it */
  show: async (hash: string, session: string, now: Date): Promise<WaitingRequest | undefined> => {
    const [row] = await write(show, [hash, session, now.toISOString()])
    return row && parse(row)
  },

  /** @returns `undefined` for all but the first, and for any other session */
  decide: async (hash: string, session: string, now: Date): Promise<WaitingRequest | undefined> => {
    const [row] = await write(decide, [hash, session, now.toISOString()])
    return row && parse(row)
  },

  forget: async (now: Date): Promise<void> => {
    await drizzle.delete(table).where(lt(table.expiresAt, now))
  },
})
