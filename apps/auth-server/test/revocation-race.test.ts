/** A thousand exchanges on two servers against one revocation: after its answer nothing comes to life. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { baseConfig, decode, delegateOnce, type TestServer } from './harness.js'
import { openTwoServers, type TwoServers } from './two-servers.js'

const config = {
  ...baseConfig,
  delegation_bounds: { max_children: 10_000, max_children_per_minute: 10_000 },
}

let servers: TwoServers
/** What is exchanged. */
let token: string
beforeAll(async () => {
  servers = await openTwoServers(config)
})
afterAll(() => servers.close())

const lineageOf = (token: string): string[] => decode(token).agent_lineage as string[]
const leafOf = (token: string): string => lineageOf(token).at(-1) ?? ''

const exchanges = 1000
const inFlight = 100

const rowsUnder = async (id: string): Promise<string[]> => {
  const rows = await servers.one.database.read(
    'select id from delegations where $1 = any(lineage) order by id',
    [id],
  )
  return rows.map((row) => String(row.id))
}

/** Runs all of them, so many at a time. */
const runAll = async (work: (index: number) => Promise<void>): Promise<void> => {
  let next = 0
  const worker = async (): Promise<void> => {
    while (next < exchanges) {
      next += 1
      await work(next - 1)
    }
  }
  await Promise.all(Array.from({ length: inFlight }, worker))
}

test.each<[string, (id: string) => Promise<{ status: number }>]>([
  [
    'of the delegation by its giver',
    (id) => servers.two.api('orchestrator', `/delegations/${id}/revoke`, {}),
  ],
  ['of the token by its holder', () => servers.one.revoke('researcher', token)],
])(
  'a revocation %s leaves nothing alive that was not alive before',
  async (_, revoke) => {
    const lent = await delegateOnce(servers.one)
    token = lent.token
    const id = leafOf(token)
    const minted: string[] = []
    const late: number[] = []
    let answered = 0
    let acknowledged = false
    let alive: Promise<string[]> | undefined

    const exchangeOnce = async (server: TestServer, index: number): Promise<void> => {
      const began = acknowledged
      const fields = index % 3 === 0 ? { requested_actor: 'scraper' } : {}
      const { status, body } = await server.exchange(
        'researcher',
        token,
        fields as Record<string, string>,
      )
      if (began) late.push(status)
      if (status === 200) minted.push(body.access_token)
      else expect([status, body.error]).toEqual([400, 'invalid_request'])
      answered += 1
      if (answered !== exchanges / 4) return
      expect((await revoke(id)).status).toBe(200)
      acknowledged = true
      alive = rowsUnder(id)
    }
    await runAll((index) => exchangeOnce(index % 2 ? servers.one : servers.two, index))

    expect(answered).toBe(exchanges)
    expect(minted.length).toBeGreaterThanOrEqual(exchanges / 4)
    expect(late.length).toBeGreaterThan(exchanges / 10)
    expect(new Set(late)).toEqual(new Set([400]))
    // Whatever was made was made before the revocation was acknowledged, and an answer belongs to it.
    const rows = await rowsUnder(id)
    expect(rows).toEqual(await alive)
    expect(minted.map(leafOf).toSorted()).toEqual(rows.filter((row) => row !== id).toSorted())
    const found = await Promise.all(
      minted.map((each, index) =>
        (index % 2 ? servers.two : servers.one).introspect('docs-server', each),
      ),
    )
    expect(found.filter(({ body }) => body.active !== false)).toEqual([])
  },
  120_000,
)
