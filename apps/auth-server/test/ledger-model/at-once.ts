/** Requests at the same time: some order of them, one after the other, must explain all answers. */
import { expect } from 'vitest'
import type { Answer } from '../harness.js'
import { decide, recall } from './oracle.js'
import type { Recall } from './requests.js'
import { listen, matches, type Run, record, type Sent, send } from './run.js'
import type { LeaseFact, World } from './world.js'

type Happening = { sent: Sent; answer: Answer } | { recall: Recall }

/** The world after this one, and what follows from it later; `undefined` when it cannot be the next. */
const happen = (world: World, one: Happening): Happening[] | undefined => {
  if ('recall' in one) {
    recall(world, one.recall)
    return []
  }
  const expected = decide(world, one.sent.request)
  if (!matches(one.answer, expected)) return undefined
  return expected.recall === undefined ? [] : [{ recall: expected.recall }]
}

/** Depth first. @returns the world after all of them, in an order that explains everything */
const explain = (
  world: World,
  pending: readonly Happening[],
  isSo: (after: World) => boolean,
): World | undefined => {
  if (pending.length === 0) return isSo(world) ? world : undefined
  for (const one of pending) {
    const next = structuredClone(world)
    const following = happen(next, one)
    const rest = pending.filter((other) => other !== one)
    const found = following && explain(next, [...rest, ...following], isSo)
    if (found) return found
  }
  return undefined
}

type LeaseRow = { recalled: boolean; held: number; requestsHeld: number }

/**
 * Was a lease opened before those on its budget were asked back, and how much was one given that was
 * refused money? No answer tells.
 */
const readLeases = async ({ server, ids }: Run): Promise<Map<string, LeaseRow>> => {
  const rows = await server.database.read(
    'select id, recalled, held, requests_held from leases where id = any($1::text[])',
    [[...ids.values()]],
  )
  const byId = new Map(rows.map((row) => [String(row.id), row]))
  return new Map(
    [...ids].flatMap(([name, id]) => {
      const row = byId.get(id)
      if (!row) return []
      const { recalled, held, requests_held: requests } = row
      return [
        [name, { recalled: recalled === true, held: Number(held), requestsHeld: Number(requests) }],
      ]
    }),
  )
}

/** Which of two changes of one cap came last? No answer tells either. */
const readCaps = async ({ server, world }: Run): Promise<Map<string, string | null>> => {
  const rows = await server.database.read(
    'select id, wanted_cap::text as cap from budgets where id = any($1::text[])',
    [Object.keys(world.budgets)],
  )
  return new Map(rows.map((row) => [String(row.id), row.cap as string | null]))
}

const sameCaps = ({ budgets }: World, caps: Map<string, string | null>): boolean =>
  [...caps].every(([id, cap]) => (budgets[id]?.cap?.toString() ?? null) === cap)

const sameHold = (lease: LeaseFact, row: LeaseRow | undefined): boolean =>
  lease.held === row?.held && lease.requestsHeld === row.requestsHeld

export const atOnce = async (run: Run, all: readonly Sent[]): Promise<void> => {
  const happened = await Promise.all(
    all.map(async (sent) => ({ sent, answer: await send(run, sent) })),
  )
  for (const { sent, answer } of happened) {
    record(run, sent, answer, { kept: answer.body.error_detail !== 'too_many_open_holds' })
  }
  const rows = await readLeases(run)
  const caps = await readCaps(run)
  // One that was opened after a cut was lent under the new cap: it may be asked back, and need not.
  const mayDiffer = (name: string): boolean => run.world.leases[name] === undefined
  // One that was renewed when the others on its budget were chosen may be marked after its answer.
  const renewed = new Set(all.flatMap(({ request }) => ('lease' in request ? [request.lease] : [])))
  const mayBeMarked = (name: string): boolean =>
    renewed.has(name) && rows.get(name)?.recalled === true
  // One that ends while it is asked back is marked, or not: nobody will ever act on it.
  const isSo = (after: World): boolean =>
    sameCaps(after, caps) &&
    Object.entries(after.leases).every(
      ([name, lease]) =>
        lease.state !== 'open' ||
        (sameHold(lease, rows.get(name)) &&
          (lease.recalled === rows.get(name)?.recalled ||
            mayBeMarked(name) ||
            (lease.recalled && mayDiffer(name)))),
    )
  const world = explain(run.world, happened, isSo)
  for (const [name, lease] of Object.entries(world?.leases ?? {})) {
    lease.recalled = rows.get(name)?.recalled === true
  }
  const story = happened.map(({ sent, answer: { status, body } }) => [sent.request, status, body])
  expect(world, `no order explains ${JSON.stringify(story)}`).toBeDefined()
  Object.assign(run.world, world)
  for (const { sent, answer } of happened) listen(run, sent, answer)
}
