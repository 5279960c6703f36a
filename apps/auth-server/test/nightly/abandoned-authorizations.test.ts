/** Many begin to sign in or to agree, and none comes back. */
import { setTimeout as sleep } from 'node:timers/promises'
import postgres from 'postgres'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { createMachine, type ServerProcess } from '../crash/server-process.js'
import { createDatabase } from '../harness.js'
import { issuer, openVisitor, visitorConfig } from '../visitor.js'
import { allAtOnce } from './pace.js'
import { residentMiB } from './process-figures.js'

const count = 20_000
const warmUp = 1000
const maxGrowthMiB = 100

const unlimited = 1_000_000_000
const config = {
  ...visitorConfig,
  // By default nobody gets this far.
  rate_limits: {
    address_requests_per_minute: { authorize: unlimited, without_address: unlimited },
  },
}

let database: Awaited<ReturnType<typeof createDatabase>>
let sql: postgres.Sql
let machine: ReturnType<typeof createMachine>
let server: ServerProcess
beforeAll(async () => {
  database = await createDatabase()
  sql = postgres(database.url, { max: 1, onnotice: () => {} })
  machine = createMachine({ databaseUrl: database.url, issuer, config })
  server = machine.createServer()
  await server.start()
})
afterAll(async () => {
  await sql.end()
  await machine.close()
  await database.drop()
})

const pending = async (): Promise<number> => {
  const [row] = await sql`select count(*)::int as n from authorization_requests`
  return Number(row?.n)
}

/** The sweep comes round every minute. */
const untilSwept = async (): Promise<void> => {
  for (let second = 0; second < 90 && (await pending()) > 0; second += 1) await sleep(1000)
}

test.runIf(inject('postgresUrl'))(
  'abandoned authorizations take neither memory nor, once their time is over, rows',
  async () => {
    const stranger = openVisitor(server)
    const alice = openVisitor(server)
    await alice.signIn()
    // Half of them are sent to sign in, the others are asked for their consent.
    const abandon = async (index: number): Promise<void> => {
      const isAsked = index % 2 === 0
      const answer = await (isAsked ? alice : stranger).authorize({ state: `state ${index}` })
      await answer.arrayBuffer()
      if (answer.status !== (isAsked ? 200 : 303)) throw new Error(`answered ${answer.status}`)
    }
    await allAtOnce(warmUp, 16, abandon)
    const before = residentMiB(server.pid)
    await allAtOnce(count, 16, abandon)
    const growth = residentMiB(server.pid) - before
    console.log(`${count} abandoned: ${before.toFixed()} MiB before, ${growth.toFixed()} MiB more`)
    expect(await pending()).toBe(warmUp + count)
    expect(growth).toBeLessThan(maxGrowthMiB)

    // Their half hour passes in the database.
    await sql`update authorization_requests set expires_at = expires_at - interval '1 hour'`
    await untilSwept()
    expect(await pending()).toBe(0)
    expect(server.problem).toBeUndefined()
    expect(server.log).toEqual([])
  },
  900_000,
)
