/** Keys that tokens are signed with, the private half sealed, and how long such tokens live. */
import type { SigningAlgorithm } from '@behalf/protocol'
import { integer, jsonb, pgTable, text } from 'drizzle-orm/pg-core'
import { at } from './columns.js'

export const signingKeys = pgTable('signing_keys', {
  kid: text('kid').primaryKey(),
  alg: text('alg').$type<SigningAlgorithm>().notNull(),
  publicJwk: jsonb('public_jwk').$type<Record<string, unknown>>().notNull(),
  privateKeySealed: text('private_key_sealed').notNull(),
  createdAt: at('created_at').notNull(),
  /** First use; the key is published before. */
  activeFrom: at('active_from').notNull(),
}).enableRLS()

export const tokenLifetimes = pgTable('token_lifetimes', {
  seconds: integer('seconds').primaryKey(),
}).enableRLS()
