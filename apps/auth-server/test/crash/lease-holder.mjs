/**
 * A resource server in a process of its own, to be killed: it holds a lease, charges it without asking
 * anybody, and prints each charge when its effect may begin. What is printed counts as done.
 */
import { writeSync } from 'node:fs'

const { LEDGER, AUTHORIZATION, DELEGATION, HOLDER } = process.env
const ttlSeconds = Number(process.env.TTL_SECONDS)
const want = 200_000
/** The most that one charge costs. */
const need = 3500
const margin = 0.2
const retryMs = 50

const usd = (micros) => (micros / 1e6).toFixed(6)
const microsOf = (text) => Math.round(Number(text) * 1e6)
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
const print = (line) => writeSync(1, `${JSON.stringify(line)}\n`)

const once = async (path, body, key) => {
  try {
    const response = await fetch(`${LEDGER}${path}`, {
      method: 'POST',
      headers: {
        Authorization: AUTHORIZATION,
        'Content-Type': 'application/json',
        'Idempotency-Key': key,
      },
      body: JSON.stringify(body),
    })
    const answer = { status: response.status, body: await response.json() }
    return answer.status >= 500 ? undefined : answer
  } catch {
    return undefined
  }
}

/** Until it is answered, with one key. `sentAt` is when the first attempt was sent. */
const ask = async (path, body) => {
  const key = crypto.randomUUID()
  const sentAt = performance.now()
  for (;;) {
    const answer = await once(path, body, key)
    if (answer) return { ...answer, sentAt }
    await sleep(retryMs)
  }
}

let lease
// Whoever started it has gone.
process.stdin.resume().once('close', () => process.exit(1))

let stopping = false
process.once('SIGTERM', () => {
  stopping = true
})

/** What an answer allows: so much in all, and for so long. */
const allow = (reported, { body, sentAt }) => {
  lease.authority = reported + microsOf(body.amount_usd)
  lease.until = sentAt + (ttlSeconds - margin) * 1000
  lease.tail = body.tail
}

const open = async () => {
  const answer = await ask('/leases', {
    delegation_id: DELEGATION,
    want_usd: usd(want),
    need_usd: usd(need),
    ttl_seconds: ttlSeconds,
    holder: HOLDER,
  })
  if (answer.status !== 201) return
  lease = { id: answer.body.id, seq: 0, spent: 0, authority: 0, renewedAt: answer.sentAt }
  allow(0, answer)
}

const report = () => {
  lease.seq += 1
  return { seq: lease.seq, spent_usd: usd(lease.spent) }
}

const renew = async () => {
  const mine = lease
  const reported = mine.spent
  const wanted = { want_usd: usd(want), need_usd: usd(need), ttl_seconds: ttlSeconds }
  const body = { ...report(), ...wanted }
  // What is wanted may be less than what is held: the rest must not be spent any more.
  mine.authority = Math.min(mine.authority, reported + want)
  mine.renewedAt = performance.now()
  const answer = await ask(`/leases/${mine.id}/renew`, body)
  if (lease !== mine) return
  if (answer.status !== 200 || answer.body.state !== 'open' || answer.body.recalled) {
    // Refused: of what was held nothing is left.
    lease = undefined
    return
  }
  allow(reported, answer)
}

let renewing = false
const renewIfDue = () => {
  const isOld = performance.now() - lease.renewedAt > (ttlSeconds * 1000) / 3
  if (renewing || !(isOld || lease.authority - lease.spent < want / 2)) return
  renewing = true
  renew().finally(() => {
    renewing = false
  })
}

let turn = 0
const nextCost = () => {
  turn += 1
  return 500 + ((turn * 7919) % 3000)
}

const chargeLease = (cost) => {
  const isAllowed = lease.spent + cost <= lease.authority && performance.now() < lease.until
  if (!isAllowed) return false
  lease.spent += cost
  print({ lease: lease.id, cost })
  return true
}

/** Near the end of a budget every charge is held on its own. */
const chargeReservation = async (cost) => {
  const body = { delegation_id: DELEGATION, amount_usd: usd(cost), action: 'docs.read' }
  const reserved = await ask('/reservations', { ...body, ttl_seconds: 5 })
  if (reserved.status !== 201) return false
  print({ reservation: reserved.body.id, cost })
  await ask(`/reservations/${reserved.body.id}/settle`, { amount_usd: usd(cost) })
  return true
}

const charge = async () => {
  const cost = nextCost()
  if (!lease) await open()
  if (!lease) return chargeReservation(cost)
  renewIfDue()
  return chargeLease(cost) || (lease.tail ? chargeReservation(cost) : false)
}

print({ ready: HOLDER })
while (!stopping) {
  if (!(await charge())) await sleep(20)
  else await sleep(1)
}
if (lease) {
  const { status } = await ask(`/leases/${lease.id}/close`, report())
  print({ closed: lease.id, status })
}
process.exit(0)
