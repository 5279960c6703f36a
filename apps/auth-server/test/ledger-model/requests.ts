/** What can be asked of the ledger, and what an answer must say. */
import { formatUsd } from '@behalf/protocol'
import { nextMidnight, openLeasesOn, tightest, type World } from './world.js'

export interface Wants {
  want: number | undefined
  need: number | undefined
  wantRequests: number | undefined
  ttl: number
}

/** Totals since the lease was opened. */
export interface Report {
  seq: number
  spent: number | undefined
  requests: number | undefined
}

/** `as` names what a request makes; `lease` and `hold` are such names. */
export type Request =
  | {
      kind: 'reserve'
      as: string
      node: string
      amount: number
      ttl: number
      onExpiry: 'charge' | 'release'
    }
  | { kind: 'end'; hold: string; actual: number | undefined }
  | ({ kind: 'open'; as: string; node: string; holder: string | undefined } & Wants)
  | ({ kind: 'renew'; lease: string } & Report & Wants)
  | ({ kind: 'close'; lease: string } & Report)
  | { kind: 'cap'; budget: string; cap: number | undefined }
  | { kind: 'topUp'; budget: string; by: number }
  | { kind: 'giveBack'; node: string }
  | { kind: 'revoke'; node: string }

export type RequestOf<Kind extends Request['kind']> = Extract<Request, { kind: Kind }>

/** All on a budget, or those that hold money when together they hold enough for somebody else. */
export interface Recall {
  budget: string
  missing?: number
}

export interface Expected {
  status: number
  /** Members that the answer must have; `undefined`: must not have. */
  body: Record<string, unknown>
  /** It is what every repeat must get. */
  kept: boolean
  /** The leases that are asked back, some time after the answer was decided. */
  recall?: Recall | undefined
  /** What the answer does not tell by itself, for the count of what has happened. */
  note?: string | undefined
}

export const usd = (units: number): string => formatUsd(BigInt(units))
export const iso = (seconds: number): string => new Date(seconds * 1000).toISOString()

export const accepted = (status: number, body: Record<string, unknown>): Expected => ({
  status,
  body,
  kept: true,
})

export const refused = (status: number, error: string, error_detail: string): Expected =>
  accepted(status, { error, error_detail })

/** Nobody sees a debt: nothing is left. */
export const shown = (left: number): string => usd(Math.max(0, left))

/** Only what is a day's starts again. */
export const renewsAt = (id: string): string | undefined =>
  id.startsWith('day:')
    ? iso(nextMidnight(new Date(id.slice('day:'.length, 14)).getTime() / 1000))
    : undefined

export const tooLittle = (world: World, path: readonly string[], required: number): Expected => {
  const least = tightest(world, path)
  if (!least) throw new Error('nothing limits this path')
  const { id, left } = least
  const error = left <= 0 ? 'budget_exhausted' : 'insufficient_budget'
  return accepted(402, {
    error,
    required: usd(required),
    remaining: shown(left),
    limited_by: id,
    renews_at: renewsAt(id),
  })
}

/** The same for whoever wants to spend it: what others hold and do not use is asked back, once a second. */
export const starving = (world: World, path: readonly string[], required: number): Expected => {
  const least = tightest(world, path)
  const no = tooLittle(world, path, required)
  if (!least || openLeasesOn(world, least.id).length === 0) return no
  if (world.now - (world.askedBack[least.id] ?? Number.NEGATIVE_INFINITY) < 1) return no
  world.askedBack[least.id] = world.now
  return { ...no, recall: { budget: least.id, missing: required - least.left } }
}

export const remaining = (world: World, path: readonly string[]) => {
  const least = tightest(world, path)
  return { remaining_usd: least && shown(least.left) }
}
