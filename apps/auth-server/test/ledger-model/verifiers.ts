/**
 * Processes that hold leases and spend in their own memory. They keep to the rules of a holder, and
 * what they let through is written down: it must be covered by the ledger, whatever goes wrong.
 */
import type { Answer } from '../harness.js'
import type { Request } from './requests.js'
import type { World } from './world.js'

export interface Verifier {
  lease: string
  holder: string | undefined
  state: 'asking' | 'running' | 'over' | 'crashed'
  /** Totals that it may reach. */
  mayReach: { money: number; requests: number }
  /** Totals that it has reached. */
  reached: { money: number; requests: number }
  /** Of the money, what it let through within what it had; more than that is its meter's fault. */
  covered: number
  /** Of the requests, the same, and when. */
  uses: { at: number; count: number }[]
  /** What the ledger has surely heard. */
  told: { money: number; requests: number }
  seq: number
  answeredSeq: number
  /** It stops here: counted from when it sent, not from when it heard. */
  until: number
}

export const createVerifier = (lease: string, holder: string | undefined): Verifier => ({
  lease,
  holder,
  state: 'asking',
  mayReach: { money: 0, requests: 0 },
  reached: { money: 0, requests: 0 },
  covered: 0,
  uses: [],
  told: { money: 0, requests: 0 },
  seq: 0,
  answeredSeq: -1,
  until: 0,
})

/** Lets so much through as it may. */
export const spend = (verifier: Verifier, money: number, requests: number, now: number): void => {
  const { state, mayReach, reached, until } = verifier
  if (state !== 'running' || now > until) return
  const paid = Math.max(0, Math.min(money, mayReach.money - reached.money))
  const let_ = Math.max(0, Math.min(requests, mayReach.requests - reached.requests))
  reached.money += paid
  reached.requests += let_
  verifier.covered += paid
  if (let_ > 0) verifier.uses.push({ at: now, count: let_ })
}

/** The meter finds that more was used than it had let through. */
export const overspend = ({ reached }: Verifier, money: number, requests: number): void => {
  reached.money += money
  reached.requests += requests
}

/** How much of it is told: all, what is not in flight, or nothing. */
export type Telling = 'all' | 'some' | 'nothing'

/** What was reported with a request, so that its answer can be understood. */
export interface Told {
  seq: number
  money: number
  requests: number
  sentAt: number
}

const part = (telling: Telling, told: number, reached: number): number | undefined => {
  if (telling === 'nothing') return undefined
  return telling === 'all' ? reached : Math.floor((told + reached) / 2)
}

export const report = (verifier: Verifier, telling: Telling, now: number) => {
  const { told, reached } = verifier
  verifier.seq += 1
  const spent = part(telling, told.money, reached.money)
  const requests = part(telling, told.requests, reached.requests)
  const about: Told = {
    seq: verifier.seq,
    money: spent ?? told.money,
    requests: requests ?? told.requests,
    sentAt: now,
  }
  return { body: { seq: verifier.seq, spent, requests }, about }
}

/** Before it asks for so much, it holds itself to that: the answer may never come. */
export const lower = (
  verifier: Verifier,
  money: number | undefined,
  requests: number | undefined,
  until: number,
): void => {
  const { mayReach } = verifier
  if (money !== undefined) mayReach.money = Math.min(mayReach.money, money)
  if (requests !== undefined) mayReach.requests = Math.min(mayReach.requests, requests)
  verifier.until = Math.min(verifier.until, until)
}

const micros = (text: unknown): number => {
  const [whole = '0', fraction = ''] = String(text).split('.')
  return Number(whole) * 1_000_000 + Number(fraction.padEnd(6, '0'))
}

/**
 * An answer arrives, perhaps late. Once a later request was sent, which may have given some of it back,
 * what an earlier one was given is not to be spent any more.
 */
export const hear = (verifier: Verifier, { status, body }: Answer, about: Told): void => {
  if (status === 409 && body.error === 'lease_ended') verifier.state = stopped(verifier)
  if (about.seq < verifier.seq || about.seq <= verifier.answeredSeq || status === 409) return
  if (status !== 200 && status !== 201) return
  verifier.answeredSeq = about.seq
  verifier.told = { money: about.money, requests: about.requests }
  if (body.state !== 'open') {
    verifier.state = stopped(verifier)
    return
  }
  if (verifier.state === 'asking') verifier.state = 'running'
  const { amount_usd: amount, requests, ttl_seconds: ttl } = body
  verifier.mayReach = {
    money: about.money + micros(amount),
    requests: about.requests + Number(requests),
  }
  verifier.until = about.sentAt + Number(ttl)
}

const stopped = ({ state }: Verifier): Verifier['state'] => (state === 'crashed' ? state : 'over')

/** What it let through in the last hour, by its own clock. */
export const usesOfTheHour = ({ uses }: Verifier, now: number): number =>
  uses.filter(({ at }) => at > now - 3600).reduce((sum, { count }) => sum + count, 0)

export const leaseOf = (world: World, { lease }: Verifier) => world.leases[lease]

export const isAbout = (verifier: Verifier, request: Request): boolean =>
  ('lease' in request && request.lease === verifier.lease) ||
  (request.kind === 'open' && request.as === verifier.lease)
