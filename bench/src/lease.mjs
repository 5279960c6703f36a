/** What a resource server pays to verify a token and to spend from its budget, and how often it calls. */
import { setTimeout as sleep } from 'node:timers/promises'
import { createVerifier } from '@behalf/verifier'
import { delegationOf, manyAgents, ownToken, resourceServer } from './agents.mjs'
import { basic, resource, secret, startOurs } from './servers.mjs'

const charge = { action: 'docs.read', cost: '0.0001' }
const microUsd = 100
const loopSeconds = 2
/** Every so many turns what is under way in the background gets its turn. */
const turnsInARow = 50
const steady = { perSecond: 500, warmUpSeconds: 5, seconds: 30 }
const mostInFlight = 200

/** Every call to the server by its kind; ids are left out. */
const countingFetch = () => {
  const counts = new Map()
  const counted = (input, init) => {
    const { pathname } = new URL(input)
    const kind = `${init?.method ?? 'GET'} ${pathname.replace(/(?<=\/(leases|reservations)\/)[^/]+/, '{id}')}`
    counts.set(kind, (counts.get(kind) ?? 0) + 1)
    return fetch(input, init)
  }
  return { counts, fetch: counted }
}

const percentile = (sorted, share) => sorted[Math.floor((sorted.length - 1) * share)]

/** One after the other for a while. @returns microseconds of each */
const timeEach = async (run) => {
  const times = []
  const end = performance.now() + loopSeconds * 1000
  while (performance.now() < end) {
    for (let turn = 0; turn < turnsInARow; turn += 1) {
      const begun = performance.now()
      await run()
      times.push((performance.now() - begun) * 1000)
    }
    await new Promise((resolve) => setImmediate(resolve))
  }
  return times.sort((one, other) => one - other)
}

/** So many a second, whether or not the earlier ones have ended. @returns how many were made */
const atRate = async (run, seconds) => {
  const begun = performance.now()
  let made = 0
  let inFlight = 0
  let failure
  const one = async () => {
    inFlight += 1
    made += 1
    await run().catch((error) => {
      failure = error
    })
    inFlight -= 1
  }
  for (let elapsed = 0; elapsed < seconds; elapsed = (performance.now() - begun) / 1000) {
    while (made < elapsed * steady.perSecond && inFlight < mostInFlight) one()
    await sleep(5)
  }
  while (inFlight > 0) await sleep(5)
  if (failure) throw failure
  return made
}

const measureTimes = async (verifier, token, spend) => {
  const caller = await verifier.verify(token)
  const verify = () => verifier.verify(token)
  const both = async () => spend(await verifier.verify(token))
  await timeEach(both)
  return [
    ['verify a seen token', await timeEach(verify), ''],
    ['charge', await timeEach(() => spend(caller)), ''],
    ['verify and charge', await timeEach(both), '< 5'],
  ]
}

const timesReport = (times) => ({
  title: `In the process of the resource server, Node ${process.versions.node}`,
  columns: ['what', 'p50 µs', 'goal', 'p99 µs', 'n'],
  rows: times.map(([what, sorted, goal]) => [
    what,
    percentile(sorted, 0.5).toFixed(2),
    goal,
    percentile(sorted, 0.99).toFixed(2),
    sorted.length,
  ]),
})

const callsReport = (before, after, made) => {
  const calls = [...after].map(([kind, count]) => [kind, count - (before.get(kind) ?? 0)])
  const ledger = calls.filter(([kind]) => kind.includes('/ledger/'))
  const sum = ledger.reduce((total, [, count]) => total + count, 0)
  const perThousand = (count) => ((count / made) * 1000).toFixed(2)
  return {
    title: `Calls to the server: ${made} charged requests in ${steady.seconds} s`,
    columns: ['call', 'calls', 'per 1,000 charged requests', 'goal'],
    rows: [
      ...calls.filter(([, count]) => count > 0).map(([kind, n]) => [kind, n, perThousand(n), '']),
      ['all that charge', sum, perThousand(sum), '≤ 5'],
    ],
  }
}

/** What the ledger says of it all, once nothing is lent any more. */
const books = async (url, token) => {
  const address = `${url}/ledger/budgets/${delegationOf(token)}`
  for (let attempt = 1; ; attempt += 1) {
    const response = await fetch(address, { headers: { authorization: basic(resourceServer(0)) } })
    const budget = await response.json()
    if (budget.held_usd === '0' || attempt === 50) return budget
    await sleep(100)
  }
}

const checkBooks = async (url, token, charged) => {
  const { spent_usd: spent, held_usd: held } = await books(url, token)
  if (held === '0' && Math.round(Number(spent) * 1e6) === charged * microUsd) return
  throw new Error(
    `${charged} charges of ${charge.cost}: the ledger has ${spent}, and holds ${held}`,
  )
}

const measure = async (url, say) => {
  const { counts, fetch } = countingFetch()
  const budget = { clientId: resourceServer(0), clientSecret: secret }
  const verifier = createVerifier({ issuer: url, audience: resource, budget, fetch })
  const token = await ownToken(url, 'agent-0')
  let charged = 0
  const spend = async (caller) => {
    await verifier.charge(caller, charge, () => {})
    charged += 1
  }
  const handle = async () => spend(await verifier.verify(token))
  try {
    say('Verify and charge, one after the other')
    const times = await measureTimes(verifier, token, spend)
    say(`Verify and charge, ${steady.perSecond} a second for ${steady.seconds} s`)
    await atRate(handle, steady.warmUpSeconds)
    const before = new Map(counts)
    const made = await atRate(handle, steady.seconds)
    const calls = callsReport(before, counts, made)
    await verifier.close()
    await checkBooks(url, token, charged)
    return [timesReport(times), calls]
  } finally {
    await verifier.close()
  }
}

export const measureLease = async ({ createDatabase }, say) => {
  const server = await startOurs(await createDatabase('lease'), manyAgents(1))
  try {
    return await measure(server.url, say)
  } finally {
    await server.stop()
  }
}
