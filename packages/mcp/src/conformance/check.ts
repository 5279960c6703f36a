/** One thing that a protected MCP server must do, should do or had better do, and how to tell. */
import type { Target } from './target.js'

/**
 * `must` and `should` are the words of the specification that is linked. `advised` is ours: what goes
 * wrong in practice, and what a token says about delegation and limits.
 */
export type Level = 'must' | 'should' | 'advised'

export type Status = 'passed' | 'failed' | 'skipped'

export interface Outcome {
  status: Status
  /** What the server did; for a skipped check, what to give so that it can run. */
  seen: string
}

export interface Check {
  id: string
  /** A sentence that is true of a server that passes. */
  title: string
  level: Level
  /** The section that says so. */
  spec: string
  /** What to change in the server. */
  fix: string
  run: (target: Target) => Promise<Outcome>
}

export const passed = (seen: string): Outcome => ({ status: 'passed', seen })
export const failed = (seen: string): Outcome => ({ status: 'failed', seen })
export const skipped = (seen: string): Outcome => ({ status: 'skipped', seen })

/** Passed when nothing is wrong, and otherwise all that is. */
export const judge = (problems: readonly (string | undefined)[], seen: string): Outcome => {
  const wrong = problems.filter((problem) => problem !== undefined)
  return wrong.length === 0 ? passed(seen) : failed(wrong.join('; '))
}
