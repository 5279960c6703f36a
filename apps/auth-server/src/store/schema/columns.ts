/** How columns are written in every table. */
import { bigint, timestamp } from 'drizzle-orm/pg-core'

/** A moment, with its zone. */
export const at = (name: string) => timestamp(name, { withTimezone: true, mode: 'date' })

/** Money, in whole micro-USD. */
export const microUsd = (name: string) => bigint(name, { mode: 'bigint' })
