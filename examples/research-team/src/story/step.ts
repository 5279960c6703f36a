/** A step of the story: what it is called, what it proves, and how. */
import type { Orchestrator, Task } from '../agents/orchestrator.js'
import type { TaskReport } from '../agents/task-message.js'
import type { Teller } from '../print/narrator.js'
import type { Stage } from '../stage/stage.js'

/** What the steps have in common, and what the earlier ones leave for the later ones. */
export interface World {
  readonly stage: Stage
  readonly orchestrator: Orchestrator
  task?: Task
}

export interface Step {
  /** Stable, for `--json`. */
  readonly name: string
  readonly title: string
  /** One sentence: why this matters. */
  readonly proves: string
  /** @returns what came out, in one sentence */
  run(world: World, tell: Teller): Promise<string>
}

/** The task that was delegated. @throws Error when the delegation did not work */
export const delegatedTask = ({ task }: World): Task => {
  if (task) return task
  throw new Error('There is no delegated task: the step "delegation" did not get that far.')
}

export const reportOf = (reports: readonly TaskReport[], agent: string): TaskReport => {
  const report = reports.find((one) => one.agent === agent)
  if (report) return report
  throw new Error(`The ${agent} has not reported.`)
}
