/** Two servers on one database: what is used once is used once by both. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Database } from '../src/store/database.js'
import {
  getCode,
  getTokens,
  openPeopleServer,
  type PeopleServer,
  redeem,
  refresh,
} from './browser.js'
import { createClock, createDatabase, decode, openTestDatabase } from './harness.js'

let one: PeopleServer
let two: PeopleServer
let close: () => Promise<void>
beforeAll(async () => {
  const clock = createClock()
  const created = await createDatabase()
  const database = await openTestDatabase(created.url)
  // PGlite is one process's alone, so there the two share it.
  const isShared = created.url === 'memory:'
  const other: Database = isShared ? database : await openTestDatabase(created.url)
  one = await openPeopleServer({ clock, database })
  two = await openPeopleServer({ clock, database: other })
  close = async () => {
    await one.close()
    if (!isShared) await two.close()
    await created.drop()
  }
})
afterAll(() => close())

const both = <T>(run: (server: PeopleServer) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: 64 }, (_, index) => run(index % 2 === 0 ? one : two)))

const isActive = async (token = ''): Promise<unknown> =>
  (await two.introspect('docs-server', token)).body.active

test.each(Array.from({ length: 5 }, (_, round) => round))(
  'of 64 redemptions one wins, and what it bought is dead everywhere (%i)',
  async () => {
    const got = await getCode(one)
    const all = await both((server) => redeem(server, got))
    const won = all.filter(({ status }) => status === 200)
    expect(won).toHaveLength(1)
    for (const { status, body } of all) {
      expect([status, body.error]).toEqual(
        status === 200 ? [200, undefined] : [400, 'invalid_grant'],
      )
    }
    expect(await isActive(won[0]?.body.access_token)).toBe(false)
    for (const server of [one, two]) {
      const { body } = await refresh(server, 'pub', won[0]?.body.refresh_token ?? '')
      expect(body.error).toBe('invalid_grant')
    }
  },
)

test.each(Array.from({ length: 5 }, (_, round) => round))(
  '64 refreshes get one successor, which goes on at either (%i)',
  async () => {
    const first = await getTokens(one)
    const all = await both((server) => refresh(server, 'pub', first.refresh_token))
    expect(all.map(({ status }) => status)).toEqual(Array(64).fill(200))
    const successors = [...new Set(all.map(({ body }) => body.refresh_token))]
    expect(successors).toHaveLength(1)
    const next = await refresh(two, 'pub', successors[0] ?? '')
    expect(next.status).toBe(200)
    const again = await refresh(one, 'pub', first.refresh_token)
    expect(again.body.error).toBe('invalid_grant')
    expect(await isActive(next.body.access_token)).toBe(false)
  },
)

test('a refresh beside the end of the consent leaves nothing alive at either', async () => {
  for (let round = 0; round < 8; round += 1) {
    const first = await getTokens(one, { query: { prompt: 'consent' } })
    const root = (decode(first.access_token).agent_lineage as string[])[0] ?? ''
    const [consent] = await one.database.read('select id from consents where delegation_id = $1', [
      root,
    ])
    const [rotated, revoked] = await Promise.all([
      refresh(one, 'pub', first.refresh_token),
      two.deps.store.consents.revoke(String(consent?.id), 'usr_alice', two.clock.now()),
    ])
    expect(revoked).toBe(true)
    const { body } = await refresh(two, 'pub', first.refresh_token)
    expect(body.error).toBe('invalid_grant')
    if (rotated.status !== 200) continue
    expect(await isActive(rotated.body.access_token)).toBe(false)
    const next = await refresh(one, 'pub', rotated.body.refresh_token ?? '')
    expect(next.body.error).toBe('invalid_grant')
  }
})
