/** Forgetting at random moments changes no balance, no token and no sum of the books. */
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openTestServer, type TestServer } from './harness.js'
import { failures, open } from './lease-fixtures.js'
import { budget, delegationOf, lend, release, reserve, settle } from './ledger-fixtures.js'
import {
  balanceOf,
  countOf,
  day,
  expectBooksToAgree,
  isActive,
  retentionConfig,
} from './retention-fixtures.js'

let server: TestServer
beforeAll(async () => {
  server = await openTestServer({ config: retentionConfig })
})
afterAll(async () => {
  expect(failures(server)).toEqual([])
  // There was something to forget, or nothing was shown.
  expect(await countOf(server, 'ledger_openings')).toBeGreaterThan(0)
  await server.close()
})

const step = fc.record({
  kind: fc.constantFrom(
    ...(['lend', 'reserve', 'reserve', 'settle', 'release', 'lease', 'revoke'] as const),
    ...(['hours', 'days', 'days', 'forget', 'forget'] as const),
  ),
  which: fc.nat({ max: 9 }),
  amount: fc.integer({ min: 1, max: 40 }),
  rows: fc.integer({ min: 1, max: 30 }),
})
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

interface World {
  lent: { token: string; delegation_id: string }[]
  reservations: string[]
}

const pick = <T>(list: readonly T[], which: number): T | undefined => list.at(-1 - (which % 4))

/** All that must be the same before and after. */
const look = async ({ lent }: World) => ({
  agents: await Promise.all(
    ['agent:orchestrator', 'tenant:acme'].map((id) => balanceOf(server, id)),
  ),
  tokens: await Promise.all(lent.slice(-6).map(({ token }) => isActive(server, token))),
  // Of one that has ended nothing may be left, and of one that lives everything.
  live: await Promise.all(
    lent
      .slice(-6)
      .map(async ({ token, delegation_id }) =>
        (await isActive(server, token)) ? budget(server, delegation_id) : undefined,
      ),
  ),
})

const forget = async (world: World, rows: number): Promise<void> => {
  const before = await look(world)
  await server.forgetHistory({ rows, batches: 1 + (rows % 7) })
  expect(await look(world)).toEqual(before)
  await expectBooksToAgree(server)
}

const perform = async (world: World, { kind, which, amount, rows }: Step): Promise<void> => {
  const usd = (amount / 100).toFixed(2)
  const own = pick(world.lent, which)
  const held = pick(world.reservations, which)
  if (kind === 'lend') world.lent.push(await lend(server, usd))
  if (kind === 'reserve' && own) {
    const { body } = await reserve(server, { token: own.token, amount_usd: '0.02' })
    if (body.id !== undefined) world.reservations.push(body.id)
  }
  if (kind === 'settle' && held) await settle(server, held, '0.01')
  if (kind === 'release' && held) await release(server, held)
  if (kind === 'lease' && own) await open(server, { token: own.token, want_usd: '0.05' })
  if (kind === 'revoke' && own) await server.revoke('researcher', own.token)
  if (kind === 'hours') server.clock.advance(amount * 600)
  if (kind === 'days') {
    server.clock.advance(amount * (day / 4))
    await server.expireHolds()
  }
  if (kind === 'forget') await forget(world, rows)
}

test('forgetting changes nothing that can be seen of what lives', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 40 }), async (steps) => {
      const world: World = { lent: [], reservations: [] }
      for (const one of steps) await perform(world, one)
      await forget(world, 20)
      server.clock.advance(21 * day)
      await server.expireHolds()
      await server.forgetHistory()
      await forget(world, 500)
      // Whatever was lent has ended for long enough, and can be used for nothing any more.
      for (const { token, delegation_id } of world.lent) {
        expect(delegationOf(token)).toBe(delegation_id)
        expect(await isActive(server, token)).toBe(false)
        expect((await reserve(server, { token, amount_usd: '0.01' })).status).toBe(403)
      }
    }),
    { numRuns: 15, endOnFailure: true },
  )
}, 240_000)
