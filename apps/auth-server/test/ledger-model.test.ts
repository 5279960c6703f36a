/**
 * Random histories over the routes, against a model that keeps no balance: it sums up whatever is asked
 * from the holds that there were. `BEHALF_MODEL_COMMANDS` says how many commands, `BEHALF_MODEL_SEED`
 * which.
 */
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openTestServer, type TestServer } from './harness.js'
import { checkEnd, checkPromises, checkStep, newestEntry, openBooks } from './ledger-model/books.js'
import { perform, sweeping, wait } from './ledger-model/perform.js'
import { create, deliver, type Run } from './ledger-model/run.js'
import { type History, history, type Step } from './ledger-model/steps.js'
import { auditor, modelConfig, plant } from './ledger-model/tree.js'
import { nextMidnight } from './ledger-model/world.js'

let server: TestServer
beforeAll(async () => {
  server = await openTestServer({ config: modelConfig })
})
afterAll(() => server.close())

const commands = Number(process.env.BEHALF_MODEL_COMMANDS ?? 5000)
const seed = Number(process.env.BEHALF_MODEL_SEED ?? 2_041_529_512)

const tally = new Map<string, number>()
const count = (what: string): void => {
  tally.set(what, (tally.get(what) ?? 0) + 1)
}

let runs = 0
const begin = async ({ plan, start }: History): Promise<Run> => {
  runs += 1
  // The same time of day whatever ran before it, so that a history can be told again.
  const { clock } = server
  clock.advance(nextMidnight(clock.seconds() + start) - start - clock.seconds())
  const tree = await plant(server, `run-${runs}`, plan)
  const empty = { verifiers: [], sent: [], ids: new Map(), heard: new Set<string>(), names: 0 }
  return { server, tree, world: tree.world, ...empty, count }
}

/** Longer than any hold may last. */
const longest = 3700

/** Nobody is heard of again; then the agent loses what it had lent. */
const finish = async (run: Run, check: () => Promise<void>): Promise<void> => {
  wait(run, longest)
  await sweeping(run)
  await check()
  const [root = ''] = run.tree.nodes
  await deliver(run, create(run, { kind: 'revoke', node: root }))
  await sweeping(run)
  await check()
}

let done = 0
let latest: Step | undefined
let failedAt: number | undefined
/** After that the shortest history that was found is good enough. */
const shorteningMs = 120_000
const isTried = (): boolean =>
  failedAt === undefined ? done >= commands : Date.now() - failedAt > shorteningMs

/** Nothing is sent: the database is as it was. */
const isLocal = (step: Step): boolean => /^(spend|crash|wait|midnight)$/.test(step.do)

const tell = async (told: History): Promise<void> => {
  const run = await begin(told)
  const books = openBooks(await newestEntry(server))
  const check = () => checkStep(run, books)
  for (const step of told.steps) {
    latest = step
    if (!(await perform(run, step))) continue
    done += 1
    if (isLocal(step)) checkPromises(run)
    else await check()
  }
  await finish(run, check)
  await checkEnd(run, books)
}

const property = fc.asyncProperty(history, async (told) => {
  if (isTried()) return
  try {
    await tell(told)
  } catch (error) {
    if (failedAt === undefined)
      console.info('Looking for a shorter history that fails at', latest, error)
    failedAt ??= Date.now()
    throw error
  }
})

/** A model that never gets there proves nothing. */
const mustHappen = [
  ...['reserve 201 reserved', 'reserve 402 budget_exhausted', 'reserve 403 delegation_revoked'],
  ...['end 200 settled', 'end 200 released', 'end 409 reservation_ended'],
  ...['open 201 open', 'open 201 open tail', 'open 201 open again', 'open 402 budget_exhausted'],
  ...['open 429 requests_per_hour', 'open 403 delegation_revoked'],
  ...['renew 200 open', 'renew 200 open tail', 'renew 200 open recalled', 'renew 200 expired'],
  ...['renew 402 budget_exhausted', 'renew 409 stale_report', 'renew 429 requests_per_hour'],
  ...['close 200 closed', 'close 200 closed late', 'close 409 lease_ended'],
  ...['cap 200', 'topUp 200', 'giveBack 200', 'set aside 200', 'set aside 403', 'repeated'],
]

// Time enough for a long night on a slow machine, and an end.
const interruptAfterTimeLimit = Math.max(500_000, commands * 50)

test(
  `every history of ${commands} commands is one that the model allows`,
  async () => {
    console.info(`BEHALF_MODEL_SEED=${seed}`)
    const numRuns = 20 + Math.ceil(commands / 30)
    await fc.assert(property, { seed, numRuns, interruptAfterTimeLimit })
    console.info(`${done} commands in ${runs} runs`)
    if (process.env.BEHALF_MODEL_TALLY) console.info(Object.fromEntries([...tally].toSorted()))
    expect(done).toBeGreaterThanOrEqual(commands)
    // A shorter run, by hand, need not come by everything.
    if (commands >= 5000) expect(mustHappen.filter((what) => !tally.has(what))).toEqual([])
    const answer = await server.ledger(auditor, '/verification')
    expect(answer.body).toMatchObject({ ok: true, differences: [] })
  },
  interruptAfterTimeLimit + 60_000,
)
