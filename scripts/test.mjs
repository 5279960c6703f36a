/** `npm test`: every stage in order, and one sentence at the end. */
import { ensureBuilt, ensureInstalled } from './ensure-built.mjs'
import { runMain, StepFailed, secondsSince } from './process.mjs'
import { changesets } from './stages/changesets.mjs'
import { listFailures, one, sentence, sum } from './stages/count.mjs'
import { examples } from './stages/examples.mjs'
import { lint } from './stages/lint.mjs'
import { packages } from './stages/packages.mjs'
import { architecture, built, flow, unit } from './stages/tests.mjs'
import { turboStage } from './stages/turbo.mjs'

const stages = [
  { name: 'lint', title: 'Format and lint', run: lint },
  { name: 'build', title: 'Build', run: () => turboStage('build') },
  {
    name: 'types',
    title: 'Types',
    run: () => turboStage('build', 'typecheck'),
    needsBuild: true,
  },
  { name: 'architecture', title: 'Architecture', run: architecture },
  { name: 'unit', title: 'Unit tests of the packages', run: unit, needsBuild: true },
  {
    name: 'flow-pglite',
    title: 'Flow tests of the server on PGlite',
    run: () => flow('pglite'),
    needsBuild: true,
  },
  {
    name: 'flow-postgres',
    title: 'Flow tests of the server on Postgres',
    run: () => flow('postgres'),
    needsBuild: true,
  },
  {
    name: 'built',
    title: 'What is built, from outside',
    run: built,
    needsBuild: true,
    // The flow stages have run it already.
    isOnDemand: true,
  },
  { name: 'examples', title: 'Examples and demo', run: examples, needsBuild: true },
  { name: 'packages', title: 'Packages as published', run: packages, needsBuild: true },
  { name: 'changesets', title: 'Changesets', run: changesets },
]

const help = `npm test                    every stage
npm test -- lint flow       some stages, by name or by the beginning of it

${stages.map(({ name, title }) => `  ${name.padEnd(15)}${title}`).join('\n')}

The last line is "N passed, N failed". The exit code is not 0 when anything failed or nothing passed.
`

const isCalled = (stage, name) => stage.name === name || stage.name.startsWith(`${name}-`)

const chooseStages = (names) => {
  const unknown = names.find((name) => !stages.some((stage) => isCalled(stage, name)))
  if (unknown) throw new StepFailed(`There is no stage "${unknown}".\n\n${help}`)
  return names.length === 0
    ? stages.filter(({ isOnDemand }) => !isOnDemand)
    : stages.filter((stage) => names.some((name) => isCalled(stage, name)))
}

const runStage = async ({ title, run }) => {
  const begun = performance.now()
  process.stdout.write(`\n── ${title} ──\n`)
  const count = await run()
  process.stdout.write(`${title}: ${sentence(count)}, ${secondsSince(begun)}\n`)
  return count
}

/** Runs what can run. Once the build has failed, nothing that needs it can. */
const runStages = async (chosen) => {
  const counts = []
  let isBuilt = true
  for (const stage of chosen) {
    if (stage.needsBuild && !isBuilt) {
      process.stdout.write(`\n── ${stage.title} ──\nNot run: the build failed.\n`)
      continue
    }
    const count = await runStage(stage)
    if (stage.name === 'build') isBuilt = count.failed === 0
    counts.push(count)
  }
  return sum(counts)
}

const prepare = (chosen) => {
  const isBuiltByStage = chosen.some(({ name }) => name === 'build')
  const needsBuild = chosen.some((stage) => stage.needsBuild)
  return needsBuild && !isBuiltByStage ? ensureBuilt() : ensureInstalled()
}

const prepareAndRun = async (chosen) => {
  try {
    await prepare(chosen)
  } catch (error) {
    if (!(error instanceof StepFailed)) throw error
    process.stdout.write(`${error.message}\n`)
    return one(false)
  }
  return runStages(chosen)
}

const main = async () => {
  const names = process.argv.slice(2)
  if (names.includes('--help') || names.includes('-h')) {
    process.stdout.write(help)
    return 0
  }
  const chosen = chooseStages(names)
  process.stdout.write(`Node ${process.version}\n`)
  const total = await prepareAndRun(chosen)
  process.stdout.write(`\n${listFailures(total)}${sentence(total)}\n`)
  return total.failed > 0 || total.passed === 0 ? 1 : 0
}

await runMain(main)
