/** `POST /leases`: money and requests to be spent elsewhere without asking. */
import { type leaseRequestSchema, OAuthError } from '@behalf/protocol'
import type { z } from 'zod'
import type { Deps } from '../deps.js'
import type { Client } from '../store/clients.js'
import type { Delegation } from '../store/delegations.js'
import { covers } from './balance.js'
import type { Book, StoredAnswer, StoredLease } from './book.js'
import { chargeable, delegationEnded } from './charge-rights.js'
import { changeHold, expireLease, leaseAnswer, leaseExpiry } from './lease.js'
import { moneyGrowth, requestGrowth } from './lease-size.js'
import { fewestRequests, rateRefusal } from './rolling-hour.js'
import { refusedFor } from './starving.js'
import { keyedRequest, refused, touching } from './work.js'

type LeaseRequest = z.output<typeof leaseRequestSchema>

/** What a holder wants to hold, beyond what it has reported. */
export interface Want {
  want_usd?: bigint | undefined
  need_usd?: bigint | undefined
  want_requests?: number | undefined
}

/** Leases of one client on one delegation: a process each, and some that crashed. */
const maxLeases = 32

/**
 * What stands in the way of holding anything: no request left, or not enough money for the charge at
 * hand. Money alone is no reason to refuse a request that costs nothing.
 */
export const leaseRefusal = (
  book: Book,
  path: readonly string[],
  want: Want,
  has: Pick<StoredLease, 'held' | 'requestsHeld'>,
): StoredAnswer | undefined => {
  const fewest = fewestRequests(book, book.budgetsOf(path))
  const wantsRequests = (want.want_requests ?? 0) > 0
  if (wantsRequests && fewest?.left === 0 && has.requestsHeld === 0) {
    return refused(rateRefusal(book, fewest))
  }
  const { want_usd: wanted, need_usd: needed } = want
  if (wanted === undefined || has.held > 0n) return undefined
  const least = wantsRequests ? (needed ?? 0n) : (needed ?? 1n)
  // Nothing is covered always, by a budget that was cut below what it holds as well.
  if (least === 0n) return undefined
  const drawnOn = book.money(path)
  return covers(drawnOn, least) ? undefined : refusedFor(least, drawnOn)
}

/**
 * Money by which the hold is to change. What is not wanted comes back; more is lent if it then covers
 * the charge at hand: what does not would only be missing elsewhere.
 */
const moneyChange = (
  book: Book,
  { held, budgetIds }: StoredLease,
  { want_usd: wanted = held, need_usd: needed = 1n }: Want,
  mayGrow: boolean,
): bigint => {
  if (wanted <= held) return wanted - held
  const growth = mayGrow ? moneyGrowth(wanted - held, book.money(budgetIds)) : 0n
  return held + growth < needed ? 0n : growth
}

/** The same for requests. */
const requestChange = (
  book: Book,
  { requestsHeld: held, budgetIds }: StoredLease,
  { want_requests: wanted = held }: Want,
  mayGrow: boolean,
): number => {
  if (wanted <= held) return wanted - held
  const fewest = fewestRequests(book, book.budgetsOf(budgetIds))
  return mayGrow ? requestGrowth(wanted - held, fewest?.left, fewest?.budget.leases ?? 1) : 0
}

/** Brings the hold to what is wanted, as far as there is enough. */
export const adjustHold = (book: Book, lease: StoredLease, want: Want, mayGrow: boolean): void => {
  const money = moneyChange(book, lease, want, mayGrow)
  changeHold(book, lease, money, requestChange(book, lease, want, mayGrow))
}

/** Does it no longer cover the charge at hand? Then every charge is reserved on its own. */
export const isTail = ({ held }: StoredLease, { want_usd, need_usd }: Want): boolean =>
  want_usd !== undefined && held < (need_usd ?? 1n)

const tooMany = (): OAuthError =>
  new OAuthError('rate_limited', {
    description: 'This client has too many open leases on this delegation.',
    reason: 'too_many_open_holds',
    hint: 'Close those that are not used, or say who holds each of them with `holder`.',
    headers: { 'Retry-After': '10' },
  })

type Asked = Pick<StoredLease, 'id' | 'delegationId' | 'clientId' | 'holder'>

/** One holder, one lease: what it had before is fenced off, and counts as used until it is told. */
const openNew = (
  book: Book,
  asked: Asked,
  budgetIds: readonly string[],
  older: StoredLease | undefined,
  expiresAt: Date,
): StoredLease => {
  if (older) expireLease(book, older)
  const lease: StoredLease = {
    ...asked,
    budgetIds,
    epoch: (older?.epoch ?? 0) + 1,
    seq: 0,
    state: 'open',
    held: 0n,
    spent: 0n,
    overrun: 0n,
    expired: 0n,
    requestsHeld: 0,
    requestsUsed: 0,
    requestsExpired: 0,
    recalled: false,
    createdAt: book.now,
    expiresAt,
    endedAt: undefined,
  }
  book.countLease(lease.budgetIds, 1)
  return lease
}

const decide = (
  book: Book,
  asked: Asked,
  body: LeaseRequest,
  delegation: Delegation,
): StoredAnswer => {
  const path = book.drawing(delegation.budget_ids)
  if (!book.isAlive(delegation.lineage)) return refused(delegationEnded())
  const mine = book.openLeases(asked.delegationId, asked.clientId)
  const older = mine.find(({ holder }) => holder === asked.holder)
  if (!older && mine.length >= maxLeases) throw tooMany()
  const refusal = leaseRefusal(book, path, body, { held: 0n, requestsHeld: 0 })
  if (refusal) return refusal
  const { ttl_seconds: ttlSeconds } = body
  const lease = openNew(book, asked, path, older, leaseExpiry(book.now, ttlSeconds))
  adjustHold(book, lease, body, true)
  return leaseAnswer(book, lease, { status: 201, ttlSeconds, tail: isTail(lease, body) })
}

export const openLease = async (
  body: LeaseRequest,
  key: string,
  caller: Client,
  deps: Deps,
): Promise<StoredAnswer> => {
  const { delegation, refusal } = await chargeable(body, caller, deps)
  const { token: _, delegation_id: __, holder = '', ...wanted } = body
  const now = deps.now()
  const id = deps.newId('lse')
  const { client_id: clientId } = caller
  const leasesOf = { delegationId: delegation.id, clientId }
  return deps.store.ledger.run({
    request: keyedRequest(caller, key, ['lease', delegation.id, holder, wanted], now),
    touches: touching({
      budgetIds: delegation.budget_ids,
      lineage: delegation.lineage,
      // Without a name nobody is known to have held one before.
      leasesOf,
      countsRequests: true,
    }),
    decide: (book) => {
      if (refusal) throw refusal
      const asked = { id, holder: holder === '' ? id : holder, ...leasesOf }
      return decide(book, asked, body, delegation)
    },
  })
}
