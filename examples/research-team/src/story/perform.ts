/** Plays the story: every step gets its turn, its failures are reported, the clock is watched. */
import type { Narrator, Teller } from '../print/narrator.js'
import type { Step, World } from './step.js'

export interface StepResult {
  name: string
  ok: boolean
  detail: string
}

/** Rejects when the time is over. */
export type Deadline = Promise<never>

/** With its causes: "fetch failed" alone says little. */
export const messageOf = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error)
  return error.cause ? `${error.message} (${messageOf(error.cause)})` : error.message
}

const attempt = async (step: Step, world: World, tell: Teller, deadline: Deadline) => {
  try {
    const detail = await Promise.race([deadline, step.run(world, tell)])
    return { detail, failures: tell.failures }
  } catch (error) {
    return { detail: '', failures: [...tell.failures, messageOf(error)] }
  }
}

const playStep = async (
  step: Step,
  number: number,
  { world, narrator, deadline }: PlayOptions,
): Promise<StepResult> => {
  const { line, paint, mark, teller } = narrator
  const begun = performance.now()
  line()
  line(`${paint('bold', paint('cyan', String(number).padStart(2)))} ${paint('bold', step.title)}`)
  const tell = teller()
  const { detail, failures } = await attempt(step, world, tell, deadline)
  const unsaid = failures.slice(tell.failures.length)
  for (const failure of unsaid) mark(false, failure, begun)
  line(`   ${paint('cyan', '→')} ${step.proves}`)
  const ok = failures.length === 0
  return { name: step.name, ok, detail: ok ? detail : failures.join('; ') }
}

export interface PlayOptions {
  world: World
  narrator: Narrator
  deadline: Deadline
}

export const play = async (steps: readonly Step[], options: PlayOptions): Promise<StepResult[]> => {
  const results: StepResult[] = []
  for (const [index, step] of steps.entries()) {
    results.push(await playStep(step, index + 1, options))
  }
  return results
}
