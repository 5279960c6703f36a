/** Random histories against a model of the ledger that is too simple to be wrong. */
import { formatUsd } from '@behalf/protocol'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { delegateOnce, openTestServer, type TestServer } from './harness.js'
import {
  checkBooks,
  delegationOf,
  release,
  reserve,
  settle,
  tally,
  times,
} from './ledger-fixtures.js'

let server: TestServer
beforeAll(async () => {
  server = await openTestServer()
})
afterAll(() => server.close())

type Answer = Awaited<ReturnType<typeof reserve>>

interface Node {
  id: string
  /** From the top of the tree to this node. */
  path: Node[]
  cap: number
  spent: number
  held: number
  endsAt: number
  revoked: boolean
}

interface Reservation {
  id: string | undefined
  node: Node
  amount: number
  onExpiry: 'charge' | 'release'
  expiresAt: number
  state: 'reserved' | 'charged' | 'ended'
}

/** What a run knows: a parent with two children, and all that was ever asked. */
interface Model {
  nodes: Node[]
  reservations: Reservation[]
  sent: { send: () => Promise<Answer>; answer: Answer }[]
}

const usd = (units: number): string => formatUsd(BigInt(units))
const now = (): number => server.clock.seconds()
const isAlive = ({ path }: Node): boolean =>
  path.every(({ revoked, endsAt }) => !revoked && now() < endsAt)

/** The first of those that leave the least. */
const tightestOf = ({ path }: Node): Node =>
  path.reduce((least, one) => (left(one) < left(least) ? one : least))
const left = ({ cap, spent, held }: Node): number => cap - spent - held

const move = ({ path }: Node, spent: number, held: number): void => {
  for (const one of path) {
    one.spent += spent
    one.held += held
  }
}

const expire = (one: Reservation): void => {
  if (one.state !== 'reserved' || one.expiresAt >= now()) return
  const charged = one.onExpiry === 'charge'
  move(one.node, charged ? one.amount : 0, -one.amount)
  one.state = charged ? 'charged' : 'ended'
}

const once = async (model: Model, send: () => Promise<Answer>): Promise<Answer> => {
  const answer = await send()
  model.sent.push({ send, answer })
  return answer
}

const pick = <T>(list: readonly T[], index: number): T | undefined => list[index % list.length]

interface Command {
  run(model: Model): Promise<void>
  toString(): string
}

const command = (name: string, args: object, run: (model: Model) => Promise<void>): Command => ({
  run,
  toString: () => `${name}${JSON.stringify(args)}`,
})

const small = fc.integer({ min: 1, max: 15 })
const index = fc.nat({ max: 50 })
const onExpiry = fc.constantFrom('charge' as const, 'release' as const)

const reserving = fc.record({ at: index, amount: small, ttl: small, onExpiry }).map((args) =>
  command('reserve', args, async (model) => {
    const node = pick(model.nodes, args.at)
    if (!node) return
    const { amount, ttl } = args
    const body = {
      delegation_id: node.id,
      amount_usd: usd(amount),
      ttl_seconds: ttl,
      on_expiry: args.onExpiry,
    }
    const key = crypto.randomUUID()
    const answer = await once(model, () => reserve(server, body, key))
    const least = tightestOf(node)
    const remaining = left(least)
    if (!isAlive(node)) expect([answer.status, answer.body.error]).toEqual([403, 'access_denied'])
    else if (remaining < amount) {
      expect([answer.status, answer.body]).toMatchObject([
        402,
        {
          error: remaining === 0 ? 'budget_exhausted' : 'insufficient_budget',
          required: usd(amount),
          remaining: usd(remaining),
          limited_by: least.id,
        },
      ])
    } else {
      expect([answer.status, answer.body.remaining_usd]).toEqual([201, usd(remaining - amount)])
      move(node, 0, amount)
      const { id } = answer.body
      const expiresAt = now() + ttl
      const made = { id, node, amount, onExpiry: args.onExpiry, expiresAt }
      model.reservations.push({ ...made, state: 'reserved' })
    }
  }),
)

const bursting = fc.record({ at: index, amount: small }).map((args) =>
  command('burst', args, async ({ nodes, reservations }) => {
    const node = pick(nodes, args.at)
    if (!node) return
    const { amount } = args
    const body = { delegation_id: node.id, amount_usd: usd(amount), ttl_seconds: 5 }
    const answers = await Promise.all(times(6, () => reserve(server, body)))
    const fitting = isAlive(node) ? Math.min(6, Math.floor(left(tightestOf(node)) / amount)) : 0
    expect(tally(answers)[201] ?? 0).toBe(fitting)
    move(node, 0, fitting * amount)
    for (const { status, body } of answers) {
      if (status !== 201) continue
      const made = { id: body.id, node, amount, onExpiry: 'charge' as const }
      reservations.push({ ...made, expiresAt: now() + 5, state: 'reserved' })
    }
  }),
)

const day = 24 * 3600

const ending = fc.record({ which: index, actual: fc.option(fc.nat({ max: 20 })) }).map((args) =>
  command('end', args, async (model) => {
    const one = pick(model.reservations, args.which)
    if (!one) return
    const { actual } = args
    const key = crypto.randomUUID()
    const answer = await once(model, () =>
      actual === null ? release(server, one.id, key) : settle(server, one.id, usd(actual), key),
    )
    expire(one)
    const late = one.state === 'charged' && now() > one.expiresAt + day
    if (one.state === 'ended' || late) {
      expect([answer.status, answer.body.error]).toEqual([409, 'reservation_ended'])
      return
    }
    const charged = Math.min(actual ?? 0, one.amount)
    if (one.state === 'reserved') move(one.node, charged, -one.amount)
    else move(one.node, charged - one.amount, 0)
    one.state = 'ended'
    expect([answer.status, answer.body.charged_usd]).toEqual([200, usd(charged)])
    const over = Math.max((actual ?? 0) - one.amount, 0)
    expect(answer.body.overrun_usd).toBe(over > 0 ? usd(over) : undefined)
  }),
)

const repeating = fc.record({ which: index }).map((args) =>
  command('repeat', args, async ({ sent }) => {
    const earlier = pick(sent, args.which)
    if (!earlier) return
    const { status, body } = await earlier.send()
    expect([status, body]).toEqual([earlier.answer.status, earlier.answer.body])
  }),
)

const sweeping = fc.constant(
  command('sweep', {}, async ({ reservations }) => {
    await server.expireHolds()
    reservations.forEach(expire)
  }),
)

const seconds = fc.oneof(
  { arbitrary: fc.integer({ min: 1, max: 10 }), weight: 30 },
  { arbitrary: fc.constant(day), weight: 1 },
)
const waiting = fc
  .record({ seconds })
  .map((args) => command('wait', args, async () => server.clock.advance(args.seconds)))

const revoking = fc.record({ at: index }).map((args) =>
  command('revoke', args, async ({ nodes }) => {
    const node = pick(nodes, args.at)
    if (!node) return
    const target = { delegation_id: node.id }
    await server.deps.store.revocations.revoke(target, 'test', server.clock.now())
    node.revoked = true
  }),
)

const commands = fc.array(
  fc.oneof(
    { arbitrary: reserving, weight: 40 },
    { arbitrary: ending, weight: 30 },
    { arbitrary: repeating, weight: 12 },
    { arbitrary: waiting, weight: 12 },
    { arbitrary: sweeping, weight: 8 },
    { arbitrary: bursting, weight: 5 },
    { arbitrary: revoking, weight: 1 },
  ),
  { minLength: 60, maxLength: 110, size: 'max' },
)

const cap = fc.integer({ min: 5, max: 60 })

const nodeOf = async (token: string, units: number, above: Node[]): Promise<Node> => {
  const id = delegationOf(token)
  const delegation = await server.deps.store.delegations.find(id)
  const endsAt = Math.floor(Number(delegation?.expires_at) / 1000)
  const node: Node = { id, path: [], cap: units, spent: 0, held: 0, endsAt, revoked: false }
  node.path = [...above, node]
  return node
}

const start = async (caps: readonly [number, number, number]): Promise<Model> => {
  const limits = (units: number) => ({ agent_limits: `{"cost_budget_usd":"${usd(units)}"}` })
  const { token } = await delegateOnce(server, limits(caps[0]))
  const parent = await nodeOf(token, caps[0], [])
  const children = []
  for (const asked of [caps[1], caps[2]]) {
    const units = Math.min(asked, caps[0])
    const made = await delegateOnce(server, limits(asked), 'researcher', 'scraper', token)
    children.push(await nodeOf(made.token, units, [parent]))
  }
  return { nodes: [parent, ...children], reservations: [], sent: [] }
}

test('every history of the ledger is one that the model allows', async () => {
  await fc.assert(
    fc.asyncProperty(fc.tuple(cap, cap, cap), commands, async (caps, history) => {
      const model = await start(caps)
      for (const step of history) {
        await step.run(model)
        const books = await checkBooks(server)
        for (const { id, spent, held } of model.nodes) {
          const line = books.get(id)
          expect([String(step), line?.spent, line?.held]).toEqual([
            String(step),
            String(spent),
            String(held),
          ])
        }
      }
    }),
    { numRuns: 12, interruptAfterTimeLimit: 100_000 },
  )
}, 150_000)
