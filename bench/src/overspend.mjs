/** A thousand charges at once on a budget for fifty: a check and a record, and our ledger. */
import { randomUUID } from 'node:crypto'
import { chainOfAgents, delegateAlong, resourceServer } from './agents.mjs'
import { basic, startCheckThenRecord, startOurs } from './servers.mjs'

const charges = 1000
const fits = 50
const levels = 3

const post = async (url, body, headers = {}) => {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  })
  await response.arrayBuffer()
  return response.status
}

/** All of them are under way before the first is answered. */
const allAtOnce = async (send) => {
  const begun = performance.now()
  const statuses = await Promise.all(Array.from({ length: charges }, (_, index) => send(index)))
  const seconds = (performance.now() - begun) / 1000
  const count = (status) => statuses.filter((one) => one === status).length
  const accepted = count(201)
  const refused = count(402)
  return { accepted, refused, failed: charges - accepted - refused, seconds }
}

const againstCheckThenRecord = async (databaseUrl) => {
  const server = await startCheckThenRecord(databaseUrl)
  try {
    const body = { budget: 'one', amount: 100_000, cap: fits * 100_000 }
    return await allAtOnce(() => post(server.url, body))
  } finally {
    await server.stop()
  }
}

const reserveEverywhere = async (servers) => {
  const delegations = await delegateAlong(servers[0].url, levels)
  const send = (index) => {
    // Every level of the tree through either server.
    const { url } = servers[index % servers.length]
    const delegation_id = delegations[Math.floor(index / servers.length) % levels]
    const body = { delegation_id, amount_usd: '0.10', action: 'docs.read' }
    const headers = { authorization: basic(resourceServer(0)), 'idempotency-key': randomUUID() }
    return post(`${url}/ledger/reservations`, body, headers)
  }
  return allAtOnce(send)
}

const againstOurs = async (databaseUrl) => {
  const config = chainOfAgents(levels, '5.00')
  const servers = []
  try {
    // One after the other: the first one makes the tables.
    servers.push(await startOurs(databaseUrl, config))
    servers.push(await startOurs(databaseUrl, config))
    return await reserveEverywhere(servers)
  } finally {
    await Promise.all(servers.map((server) => server.stop()))
  }
}

const toRow = (name, { accepted, refused, failed, seconds }) => [
  name,
  accepted,
  refused,
  failed,
  (accepted / 10).toFixed(2),
  accepted <= fits ? '0' : ((accepted - fits) / 10).toFixed(2),
  seconds.toFixed(1),
]

export const measureOverspend = async ({ createDatabase }, say) => {
  say(`${charges} charges at once: check, then record`)
  const baseline = await againstCheckThenRecord(await createDatabase('baseline'))
  say(`${charges} charges at once: ours, two servers`)
  const ours = await againstOurs(await createDatabase('overspend'))
  if (ours.accepted !== fits || ours.failed > 0) {
    throw new Error(`our ledger took ${ours.accepted} of ${fits}, and ${ours.failed} failed`)
  }
  return {
    title: `${charges} charges of 0.10 USD at the same moment on a cap of 5.00 USD`,
    columns: ['server', 'accepted', 'refused', 'failed', 'charged USD', 'beyond the cap USD', 's'],
    rows: [
      toRow('check, then record: two statements, one process', baseline),
      toRow(`ours: a tree of ${levels} levels, two processes on one database`, ours),
    ],
  }
}
