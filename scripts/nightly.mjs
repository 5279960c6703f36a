/** `npm run test:nightly`: what takes too long for every change. One sentence at the end. */
import { ensureBuilt } from './ensure-built.mjs'
import { runMain, StepFailed, secondsSince } from './process.mjs'
import { one, sentence, sum } from './stages/count.mjs'
import { runVitest } from './stages/vitest.mjs'

const server = 'apps/auth-server'

/** What is set already wins: a longer night, or the seed of one that failed. */
const envOf = (defaults) => ({ ...defaults, ...process.env, BEHALF_TEST_DATABASE: 'postgres' })

const stages = [
  {
    title: 'Crashes: servers, databases, holders of leases and the network',
    // One file after the other: each has processes of its own, and two cores are not many.
    args: ['test/crash/', '--no-file-parallelism'],
    env: envOf({ BEHALF_CRASH_ROUNDS: '50' }),
  },
  {
    title: 'Attacks that take load and time: floods, and what is left lying about',
    args: ['test/nightly/', '--no-file-parallelism'],
    env: envOf({ BEHALF_NIGHTLY: '1' }),
  },
  {
    title: 'The ledger against its model',
    args: ['test/ledger-model.test.ts', '--testTimeout=3600000'],
    env: envOf({
      BEHALF_MODEL_SEED:
        process.env.BEHALF_MODEL_SEED ?? String(Math.floor(Math.random() * 2 ** 31)),
      BEHALF_MODEL_COMMANDS: '100000',
    }),
  },
]

const runStage = async ({ title, args, env }) => {
  const begun = performance.now()
  process.stdout.write(`\n── ${title} ──\n`)
  const count = await runVitest(server, { args, env })
  process.stdout.write(`${title}: ${sentence(count)}, ${secondsSince(begun)}\n`)
  return count
}

const main = async () => {
  process.stdout.write(`Node ${process.version}\n`)
  const counts = []
  try {
    await ensureBuilt()
    for (const stage of stages) counts.push(await runStage(stage))
  } catch (error) {
    if (!(error instanceof StepFailed)) throw error
    process.stdout.write(`${error.message}\n`)
    counts.push(one(false))
  }
  const total = sum(counts)
  process.stdout.write(`\n${sentence(total)}\n`)
  return total.failed > 0 || total.passed === 0 ? 1 : 0
}

await runMain(main)
