/** Authorization codes, by their hash. They are spent in `issuances.ts`, with what they buy. */
import { lt } from 'drizzle-orm'
import type { Database, Row } from './database.js'
import { authorizationCodes as table } from './schema.js'

export interface AuthorizationCode {
  code_hash: string
  client_id: string
  redirect_uri: string
  said_redirect_uri: boolean
  code_challenge: string
  consent_id: string
  lineage: readonly string[]
  subject: string
  tenant_id: string | undefined
  scope: readonly string[]
  resources: readonly string[]
  nonce: string | undefined
  authenticated_at: Date
  created_at: Date
  expires_at: Date
  consumed_at: Date | undefined
}

const columns = `code_hash, client_id, redirect_uri, said_redirect_uri, code_challenge, consent_id,
  lineage, subject, tenant_id, scope, resources, nonce, authenticated_at, created_at, expires_at`

const insert = `
  insert into authorization_codes (${columns})
  select ${columns} from jsonb_to_record($1::text::jsonb) as t(code_hash text, client_id text,
    redirect_uri text, said_redirect_uri boolean, code_challenge text, consent_id text,
    lineage text[], subject text, tenant_id text, scope text[], resources text[], nonce text,
    authenticated_at timestamptz, created_at timestamptz, expires_at timestamptz)`

const parse = (row: Row): AuthorizationCode =>
  Object.fromEntries(
    Object.entries(row).map(([name, value]) => [name, value ?? undefined]),
  ) as unknown as AuthorizationCode

/** As long as the longest access token may live: who comes with a used code ends what it bought. */
const rememberSeconds = 24 * 3600

export const authorizationCodesStore = ({ read, write, drizzle }: Database) => ({
  insert: async (code: Omit<AuthorizationCode, 'consumed_at'>): Promise<void> => {
    await write(insert, [JSON.stringify(code)])
  },

  find: async (hash: string): Promise<AuthorizationCode | undefined> => {
    const [row] = await read(
      `select ${columns}, consumed_at from authorization_codes where code_hash = $1`,
      [hash],
    )
    return row && parse(row)
  },

  forget: async (now: Date): Promise<void> => {
    const before = new Date(now.getTime() - rememberSeconds * 1000)
    await drizzle.delete(table).where(lt(table.expiresAt, before))
  },
})
