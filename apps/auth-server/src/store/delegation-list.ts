/**
 * Listings of live delegations. Nearly all rows are of some that have ended: no listing may look at
 * those, however many there are. So each goes by an index that has the end in it.
 */
import type { Statement } from './database.js'

/** Where a page of a listing begins: after this row. */
export interface DelegationCursor {
  createdAt: Date
  id: string
}

export interface DelegationFilter {
  tenantId: string | undefined
  /** Only what this client holds, has lent on, or is the subject of. */
  party: string | undefined
  subject: string | undefined
  actor: string | undefined
  /** This delegation and all below it. */
  under: string | undefined
  after: DelegationCursor | undefined
  limit: number
}

const notEnded = `d.revoked_at is null
      and (d.expires_at is null or d.expires_at > $1::text::timestamptz)`

const nothingAboveEnded = `not exists (
      select from delegations above where above.id = any(d.lineage) and (above.revoked_at is not null
        or above.expires_at <= $1::text::timestamptz))`

/** Neither this nor anything above it has ended. The time is the first parameter. */
export const isLive = `${notEnded} and ${nothingAboveEnded}`

/** What hangs from something always has an end. What hangs from what has ended is not looked for. */
const reachableFrom = (start: string): string => `
  with recursive reached as (
    ${start}
    union
    select d.id from reached join delegations d on d.parent_id = reached.id
    where d.revoked_at is null and d.expires_at > $1::text::timestamptz
  )`

const order = 'order by d.created_at desc, d.id desc limit $2::int'

/**
 * Those without an end come in the order of their index; those with one are few, and sorted. Only then is
 * it asked what stands above them, for as many as the page takes: `offset 0` keeps PostgreSQL to that.
 */
const fromAll = (columns: string, conditions: string): string => {
  const part = (end: string): string => `
    (select * from (
      select ${columns} from delegations d
      where d.revoked_at is null and ${end} and ${conditions}
      order by d.created_at desc, d.id desc offset 0
    ) d where ${nothingAboveEnded} ${order})`
  return `
  select * from (${part('d.expires_at is null')}
    union all ${part('d.expires_at > $1::text::timestamptz')}
  ) d ${order}`
}

/**
 * Whoever asks for a subject or an actor wants few of the tenant's: said in this way, the tenant is no
 * reason for PostgreSQL to walk through all of them by the tenant's index.
 */
const ofTenant = (
  tenantId: string | undefined,
  narrower: string | undefined,
  param: (value: string) => string,
): string => {
  if (tenantId === undefined) return 'd.tenant_id is null'
  const operator = narrower === undefined ? '=' : 'is not distinct from'
  return `d.tenant_id ${operator} ${param(tenantId)}`
}

/** @param columns what is read of each row `d` */
export const listStatement = (
  columns: string,
  { tenantId, party, subject, actor, under, after, limit }: DelegationFilter,
  now: Date,
): Statement => {
  const params: unknown[] = [now.toISOString(), limit]
  const param = (value: string): string => `$${params.push(value)}::text`
  const conditions: string[] = []
  conditions.push(ofTenant(tenantId, subject ?? actor, param))
  if (subject !== undefined) conditions.push(`d.subject = ${param(subject)}`)
  if (actor !== undefined) conditions.push(`d.actor = ${param(actor)}`)
  if (after) {
    const place = `(${param(after.createdAt.toISOString())}::timestamptz, ${param(after.id)})`
    conditions.push(`(d.created_at, d.id) < ${place}`)
  }
  const me = party === undefined ? undefined : param(party)
  if (me && under !== undefined) {
    conditions.push(`(d.subject = ${me} or exists (
      select from delegations above where above.id = any(d.lineage) and above.actor = ${me}))`)
  }
  const all = conditions.join(' and ')
  const reached = (start: string): string => `${reachableFrom(start)}
    select ${columns} from delegations d where d.id in (select id from reached) and ${isLive} and ${all} ${order}`
  if (under !== undefined) return { text: reached(`select ${param(under)} as id`), params }
  if (!me) return { text: fromAll(columns, all), params }
  const held = `select d.id from delegations d where d.actor = ${me} and ${notEnded}
    union select d.id from delegations d where d.subject = ${me} and ${notEnded}`
  return { text: reached(`(${held})`), params }
}
