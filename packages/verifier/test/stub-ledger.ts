/** A ledger in a function, as strict as the contract: cumulative reports, growth, tail, expiry, keys. */
import {
  amountUsd,
  formatUsd,
  leaseRenewalSchema,
  leaseReportSchema,
  leaseRequestSchema,
  parseUsd,
  reservationRequestSchema,
  settleRequestSchema,
} from '@behalf/protocol'
import type { LedgerCall } from './issuer.js'

const graceMs = 10_000
const dayMs = 86_400_000
const minutes = 61

interface Budget {
  cap: bigint | undefined
  spent: bigint
  held: bigint
  requestsPerHour: number | undefined
  requestsHeld: number
  used: Map<number, number>
  leases: Set<string>
}

export interface StubLease {
  id: string
  delegation: string
  state: 'open' | 'closed' | 'expired'
  held: bigint
  spent: bigint
  overrun: bigint
  requestsHeld: number
  requestsUsed: number
  seq: number
  expiresAt: number
  /** Charged when it expired, until a report takes the rest back. */
  charged: bigint
  requestsCharged: number
  expiredAt: number
  recalled: boolean
}

interface StubReservation {
  id: string
  delegation: string
  amount: bigint
  isOpen: boolean
  expiresAt: number
}

interface Answer {
  status: number
  body: Record<string, unknown>
  headers?: Record<string, string>
}

export interface SeenCall {
  path: string
  key: string | null
  body: Record<string, unknown>
  status: number
}

const sorted = (all: bigint[]): bigint[] => all.sort((one, other) => Number(one - other))
const min = (...all: bigint[]): bigint => sorted(all)[0] ?? 0n
const max = (...all: bigint[]): bigint => sorted(all).at(-1) ?? 0n
const refuse = (status: number, error: string, more: object = {}): Answer => ({
  status,
  body: { error, error_detail: error, ...more },
})

export const createStubLedger = (now: () => number) => {
  const budgets = new Map<string, Budget>()
  const leases = new Map<string, StubLease>()
  const reservations = new Map<string, StubReservation>()
  const keys = new Map<string, { asked: string; answer: Answer }>()
  const state = {
    /** Refused before anything is done. */
    isDown: false,
    /** So many answers are lost after it was done. */
    loses: 0,
    /** Awaited before it is done, and before it is answered. */
    delay: undefined as ((call: LedgerCall) => Promise<void> | undefined) | undefined,
    delayAnswer: undefined as ((call: LedgerCall) => Promise<void> | undefined) | undefined,
    revoked: new Set<string>(),
    tooManyHolds: false,
    /** Where a delegation draws, beside its own budget. */
    path: (delegation: string): string[] => [delegation, 'tenant:acme'],
    calls: [] as SeenCall[],
    /** What no holder may do. */
    violations: [] as string[],
  }
  let count = 0

  const budgetOf = (id: string): Budget => {
    const known = budgets.get(id)
    if (known) return known
    const budget: Budget = {
      cap: undefined,
      spent: 0n,
      held: 0n,
      requestsPerHour: undefined,
      requestsHeld: 0,
      used: new Map(),
      leases: new Set(),
    }
    budgets.set(id, budget)
    return budget
  }
  const pathOf = (delegation: string): [string, Budget][] =>
    state.path(delegation).map((id) => [id, budgetOf(id)])
  const move = (delegation: string, spent: bigint, held: bigint): void => {
    for (const [id, budget] of pathOf(delegation)) {
      budget.spent += spent
      budget.held += held
      if (
        budget.cap !== undefined &&
        budget.spent + budget.held > budget.cap &&
        spent + held > 0n
      ) {
        state.violations.push(`the stub itself broke the cap of ${id}`)
      }
    }
  }
  const tightest = (delegation: string) => {
    const capped = pathOf(delegation).flatMap(([id, { cap, spent, held }]) =>
      cap === undefined ? [] : [{ id, left: max(0n, cap - spent - held) }],
    )
    return capped.sort((one, other) => Number(one.left - other.left))[0]
  }
  const minute = (): number => Math.floor(now() / 60_000)
  const requestsLeft = (budget: Budget): number => {
    const recent = [...budget.used].filter(([at]) => at > minute() - minutes)
    const used = recent.reduce((sum, [, one]) => sum + one, 0)
    return Math.max(0, (budget.requestsPerHour ?? 0) - used - budget.requestsHeld)
  }
  const fewest = (delegation: string) => {
    const limited = pathOf(delegation)
      .filter(([, { requestsPerHour }]) => requestsPerHour !== undefined)
      .map(([id, budget]) => ({ id, budget, left: requestsLeft(budget) }))
    return limited.sort((one, other) => one.left - other.left)[0]
  }
  const countRequests = (delegation: string, used: number, at = minute()): void => {
    for (const [, budget] of pathOf(delegation)) {
      budget.used.set(at, (budget.used.get(at) ?? 0) + used)
    }
  }
  const holdRequests = (lease: StubLease, more: number): void => {
    for (const [, budget] of pathOf(lease.delegation)) budget.requestsHeld += more
    lease.requestsHeld += more
  }

  const budgetRefusal = (delegation: string, required: bigint): Answer => {
    const least = tightest(delegation)
    const left = least?.left ?? 0n
    const details = {
      required: formatUsd(required),
      remaining: formatUsd(left),
      limited_by: least?.id,
      renews_at: '2027-02-01T00:00:00.000Z',
    }
    return refuse(402, left === 0n ? 'budget_exhausted' : 'insufficient_budget', details)
  }
  const rateRefusal = (delegation: string): Answer => {
    const least = fewest(delegation)
    const limit = least?.budget.requestsPerHour ?? 0
    const details = { limited_by: least?.id, limit, remaining: '0', retry_after: 600 }
    return {
      status: 429,
      body: { error: 'rate_limited', error_detail: 'requests_per_hour', ...details },
      headers: {
        'Retry-After': '600',
        'RateLimit-Policy': `"requests_per_hour";q=${limit};w=3600`,
        RateLimit: '"requests_per_hour";r=0;t=600',
      },
    }
  }

  const end = (lease: StubLease, to: 'closed' | 'expired'): void => {
    for (const [, budget] of pathOf(lease.delegation)) budget.leases.delete(lease.id)
    lease.state = to
  }
  const close = (lease: StubLease): void => {
    move(lease.delegation, 0n, -lease.held)
    lease.held = 0n
    holdRequests(lease, -lease.requestsHeld)
    end(lease, 'closed')
  }
  const expire = (lease: StubLease): void => {
    lease.charged = lease.held
    lease.requestsCharged = lease.requestsHeld
    lease.expiredAt = now()
    countRequests(lease.delegation, lease.requestsHeld)
    holdRequests(lease, -lease.requestsHeld)
    move(lease.delegation, lease.held, -lease.held)
    lease.held = 0n
    end(lease, 'expired')
  }
  /** What is due, whatever is asked. */
  const expireAll = (): void => {
    for (const lease of leases.values()) {
      if (lease.state === 'open' && lease.expiresAt < now()) expire(lease)
    }
    for (const one of reservations.values()) {
      if (!one.isOpen || one.expiresAt >= now()) continue
      one.isOpen = false
      move(one.delegation, one.amount, -one.amount)
    }
  }

  const applyReport = (lease: StubLease, body: Record<string, unknown>): void => {
    const spent = parseUsd(body.spent_usd) ?? 0n
    const requests = Number(body.requests ?? 0)
    const known = lease.spent + lease.overrun
    if (spent < known || requests < lease.requestsUsed) state.violations.push('a total went back')
    const more = max(0n, spent - known)
    const paid = min(more, lease.state === 'open' ? lease.held : lease.charged)
    if (lease.state === 'open') {
      move(lease.delegation, paid, -paid)
      lease.held -= paid
      const used = Math.min(requests - lease.requestsUsed, lease.requestsHeld)
      holdRequests(lease, -used)
      countRequests(lease.delegation, used)
    } else {
      move(lease.delegation, paid - lease.charged, 0n)
      lease.charged = 0n
      const used = Math.min(requests - lease.requestsUsed, lease.requestsCharged)
      const back = used - lease.requestsCharged
      countRequests(lease.delegation, back, Math.floor(lease.expiredAt / 60_000))
      lease.requestsCharged = 0
    }
    lease.spent += paid
    lease.overrun += more - paid
    lease.requestsUsed = requests
    lease.seq = Number(body.seq)
  }
  const adjust = (lease: StubLease, body: Record<string, unknown>): Answer | undefined => {
    const { delegation } = lease
    const want = parseUsd(body.want_usd)
    const need = parseUsd(body.need_usd)
    const wantRequests = body.want_requests as number | undefined
    const least = fewest(delegation)
    if ((wantRequests ?? 0) > 0 && lease.requestsHeld === 0 && least?.left === 0) {
      return rateRefusal(delegation)
    }
    const left = tightest(delegation)?.left
    if (want !== undefined && left !== undefined) {
      const isExhausted = left === 0n && lease.held === 0n && !wantRequests
      const missing = (need ?? 0n) - lease.held
      if (isExhausted || missing > left) return budgetRefusal(delegation, need ?? 1n)
    }
    if (want !== undefined && want > lease.held) {
      const shares = pathOf(delegation).flatMap(([, { cap, spent, held, leases: open }]) =>
        cap === undefined ? [] : [max(0n, cap - spent - held) / BigInt(2 * Math.max(1, open.size))],
      )
      const most = min(want - lease.held, ...shares)
      const growth = lease.held + most < (need ?? 1n) ? 0n : most
      move(delegation, 0n, growth)
      lease.held += growth
    } else if (want !== undefined) {
      move(delegation, 0n, want - lease.held)
      lease.held = want
    }
    if (wantRequests !== undefined && wantRequests > lease.requestsHeld) {
      const open = least?.budget.leases.size ?? 1
      const share = least ? Math.max(1, Math.floor(least.left / (2 * Math.max(1, open)))) : 1e9
      const wanted = wantRequests - lease.requestsHeld
      holdRequests(lease, Math.min(wanted, share, least?.left ?? wanted))
    } else if (wantRequests !== undefined) holdRequests(lease, wantRequests - lease.requestsHeld)
    return undefined
  }
  const leaseAnswer = (lease: StubLease, body: Record<string, unknown>, status: number): Answer => {
    const need = parseUsd(body.need_usd) ?? 1n
    const left = tightest(lease.delegation)
    return {
      status,
      body: {
        id: lease.id,
        delegation_id: lease.delegation,
        state: lease.state,
        epoch: 1,
        seq: lease.seq,
        amount_usd: formatUsd(lease.held),
        requests: lease.requestsHeld,
        ttl_seconds: Number(body.ttl_seconds ?? 0),
        expires_at: new Date(lease.expiresAt).toISOString(),
        tail: body.want_usd !== undefined && lease.held < need,
        recalled: lease.recalled,
        ...(left && { remaining_usd: formatUsd(left.left) }),
      },
    }
  }

  const open = (body: Record<string, unknown>): Answer => {
    if (!leaseRequestSchema.safeParse(body).success) return refuse(400, 'invalid_request')
    const delegation = String(body.delegation_id)
    if (state.revoked.has(delegation)) {
      return { status: 403, body: { error: 'access_denied', error_detail: 'delegation_revoked' } }
    }
    if (state.tooManyHolds) {
      return { status: 429, body: { error: 'rate_limited', error_detail: 'too_many_open_holds' } }
    }
    count += 1
    const lease: StubLease = {
      id: `lse_${count}`,
      delegation,
      state: 'open',
      held: 0n,
      spent: 0n,
      overrun: 0n,
      requestsHeld: 0,
      requestsUsed: 0,
      seq: 0,
      expiresAt: now() + Number(body.ttl_seconds) * 1000 + graceMs,
      charged: 0n,
      requestsCharged: 0,
      expiredAt: 0,
      recalled: false,
    }
    for (const [, budget] of pathOf(delegation)) budget.leases.add(lease.id)
    const refusal = adjust(lease, body)
    if (refusal) {
      end(lease, 'closed')
      return refusal
    }
    leases.set(lease.id, lease)
    return leaseAnswer(lease, body, 201)
  }
  const report = (id: string, what: string, body: Record<string, unknown>): Answer => {
    const schema = what === 'renew' ? leaseRenewalSchema : leaseReportSchema
    if (!schema.safeParse(body).success) return refuse(400, 'invalid_request')
    const lease = leases.get(id)
    if (!lease) return refuse(404, 'not_found')
    const isLate = lease.state === 'expired' && now() <= lease.expiredAt + dayMs
    if (lease.state !== 'open' && !isLate) return refuse(409, 'lease_ended')
    if (Number(body.seq) <= lease.seq) return refuse(409, 'stale_report')
    applyReport(lease, body)
    if (lease.state === 'expired') return leaseAnswer(lease, body, 200)
    const isOver = state.revoked.has(lease.delegation)
    if (what === 'close' || isOver) {
      close(lease)
      return leaseAnswer(lease, body, 200)
    }
    const refusal = adjust(lease, body)
    if (refusal) return refusal
    lease.expiresAt = now() + Number(body.ttl_seconds) * 1000 + graceMs
    return leaseAnswer(lease, body, 200)
  }
  const reservationAnswer = (one: StubReservation, status: number, charged?: bigint): Answer => {
    const left = tightest(one.delegation)
    return {
      status,
      body: {
        id: one.id,
        delegation_id: one.delegation,
        state: one.isOpen ? 'reserved' : 'settled',
        amount_usd: formatUsd(one.amount),
        ...(charged !== undefined && { charged_usd: formatUsd(charged) }),
        expires_at: new Date(one.expiresAt).toISOString(),
        ...(left && { remaining_usd: formatUsd(left.left) }),
      },
    }
  }
  const delegationIn = (token: string): string => {
    const payload = JSON.parse(
      atob((token.split('.')[1] ?? '').replace(/-/g, '+').replace(/_/g, '/')),
    )
    return payload.agent_lineage.at(-1)
  }
  const reserve = (body: Record<string, unknown>): Answer => {
    if (!reservationRequestSchema.safeParse(body).success) return refuse(400, 'invalid_request')
    const delegation = delegationIn(String(body.token))
    const amount = amountUsd.parse(body.amount_usd)
    if (amount > (tightest(delegation)?.left ?? amount)) return budgetRefusal(delegation, amount)
    count += 1
    const expiresAt = now() + Number(body.ttl_seconds) * 1000
    const one = { id: `rsv_${count}`, delegation, amount, isOpen: true, expiresAt }
    move(delegation, 0n, amount)
    reservations.set(one.id, one)
    return reservationAnswer(one, 201)
  }
  const endReservation = (id: string, body: Record<string, unknown>): Answer => {
    const one = reservations.get(id)
    if (!one) return refuse(404, 'not_found')
    if (!one.isOpen) return refuse(409, 'reservation_ended')
    const asked = settleRequestSchema.safeParse(body).data?.amount_usd ?? 0n
    const charged = min(asked, one.amount)
    one.isOpen = false
    move(one.delegation, charged, -one.amount)
    return reservationAnswer(one, 200, charged)
  }
  const decide = ({ path, body }: LedgerCall): Answer => {
    const [, kind, id = '', what = ''] = path.split('/')
    if (kind === 'leases') return id === '' ? open(body) : report(id, what, body)
    return id === '' ? reserve(body) : endReservation(id, body)
  }
  const once = (call: LedgerCall): Answer => {
    const asked = JSON.stringify([call.path, call.body])
    const known = keys.get(call.key ?? '')
    if (known && known.asked !== asked) {
      state.violations.push(`one key for two requests: ${call.path}`)
      return refuse(409, 'idempotency_conflict')
    }
    if (known) return known.answer
    if (!call.key) state.violations.push('no Idempotency-Key')
    expireAll()
    const answer = decide(call)
    if (answer.status === 400) state.violations.push(`malformed: ${asked}`)
    keys.set(call.key ?? '', { asked, answer })
    return answer
  }

  return {
    state,
    leases,
    budgetOf,
    expireAll,
    /** Micro-USD that are spent or held of a budget. */
    taken: (id: string): bigint => budgetOf(id).spent + budgetOf(id).held,
    openLeases: (): StubLease[] => [...leases.values()].filter((one) => one.state === 'open'),
    /** Requests that were ever counted for it, and those that leases hold. */
    requestsTaken: (id: string): number =>
      [...budgetOf(id).used.values()].reduce((sum, one) => sum + one, budgetOf(id).requestsHeld),
    /** Those that nobody has settled or released. */
    openReservations: (): number => [...reservations.values()].filter((one) => one.isOpen).length,
    paths: (): string[] => state.calls.map(({ path }) => path),
    count: (pattern: RegExp): number => state.calls.filter(({ path }) => pattern.test(path)).length,
    answer: async (call: LedgerCall): Promise<Response> => {
      await state.delay?.(call)
      if (state.isDown) {
        state.calls.push({ ...call, status: 0 })
        throw new TypeError('fetch failed')
      }
      const { status, body, headers } = once(call)
      state.calls.push({ ...call, status })
      await state.delayAnswer?.(call)
      if (state.loses > 0) {
        state.loses -= 1
        throw new TypeError('fetch failed')
      }
      return Response.json(body, { status, headers: headers ?? {} })
    },
  }
}

export type StubLedger = ReturnType<typeof createStubLedger>
