/**
 * The demo: a research team of three agents, from the first token to a killed server. Exits 0 only if
 * everything came out as it must. With `--json`, standard output holds the results and nothing else.
 */
import { createOrchestrator } from './agents/orchestrator.js'
import { createNarrator, type Narrator } from './print/narrator.js'
import { opening, summary } from './print/opening-and-end.js'
import { createProcesses, type Processes } from './stage/processes.js'
import { createFolder, type Folder, setStage } from './stage/stage.js'
import { type Deadline, messageOf, play, type StepResult } from './story/perform.js'
import { story } from './story/story.js'

/** A first start makes a database, which takes a busy machine its time. */
const setupMs = 45_000
const storyMs = 60_000
/** Then it is ended the hard way, whatever it waits for. */
const graceMs = 5_000

const within = (ms: number): Deadline => {
  const deadline = new Promise<never>((_, reject) => {
    const late = () => reject(new Error(`There was no time left after ${ms / 1000} s.`))
    setTimeout(late, ms).unref()
  })
  deadline.catch(() => undefined)
  return deadline
}

/** A stage that cannot be set is a failed step, and so are all that need it. */
const notStaged = (error: unknown): StepResult[] => [
  { name: 'setup', ok: false, detail: messageOf(error) },
  ...story.map(({ name }) => ({ name, ok: false, detail: 'not played: the setup failed' })),
]

const perform = async (processes: Processes, folder: Folder, narrator: Narrator) => {
  try {
    const { mark } = narrator
    const begun = performance.now()
    const onReady = (who: string, url: string) => mark(true, `${who.padEnd(21)} ${url}`, begun)
    const stage = await Promise.race([within(setupMs), setStage(processes, folder, onReady)])
    const { issuer, docs, researcher, secrets } = stage
    const clientSecret = secrets.orchestrator
    const orchestrator = createOrchestrator({ issuer, docs, researcher, clientSecret })
    return await play(story, {
      world: { stage, orchestrator },
      narrator,
      deadline: within(storyMs),
    })
  } catch (error) {
    return notStaged(error)
  }
}

const reportJSON = (steps: readonly StepResult[]): string => {
  const passed = steps.filter(({ ok }) => ok).length
  return JSON.stringify({ steps, passed, failed: steps.length - passed }, undefined, 2)
}

/** Whatever ends this process, it leaves no other process and no folder behind. */
const cleanUpAtExit = (processes: Processes, folder: Folder): void => {
  process.once('exit', () => {
    processes.killNow()
    folder.remove()
  })
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const) {
    process.once(signal, () => process.exit(code))
  }
}

const run = async (): Promise<void> => {
  const isJSON = process.argv.includes('--json')
  const narrator = createNarrator(isJSON ? process.stderr : process.stdout)
  const folder = createFolder()
  const processes = createProcesses(folder.path, process.env)
  cleanUpAtExit(processes, folder)
  setTimeout(() => process.exit(1), setupMs + storyMs + graceMs).unref()
  const begun = performance.now()
  opening(narrator)
  const results = await perform(processes, folder, narrator)
  summary(narrator, {
    results,
    seconds: (performance.now() - begun) / 1000,
    logs: processes.logs(),
  })
  await processes.stop()
  if (isJSON) process.stdout.write(`${reportJSON(results)}\n`)
  process.exitCode = results.every(({ ok }) => ok) ? 0 : 1
}

await run()
