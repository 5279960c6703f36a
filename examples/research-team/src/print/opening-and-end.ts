/** The first lines of the story and the last. */
import type { StepResult } from '../story/perform.js'
import type { Narrator } from './narrator.js'

export const opening = ({ line, paint }: Narrator): void => {
  line()
  line(`${paint('bold', 'Behalf')}, identity for AI agents`)
  line()
  line('An orchestrator has a question about this repository. It asks a researcher, who asks a')
  line('scraper, who calls the tools of an MCP server. Each is a process of its own, all they say')
  line('goes over HTTP, and every line with a mark below is a check, not a claim.')
  line()
}

export interface Ending {
  results: readonly StepResult[]
  seconds: number
  /** What the processes wrote to standard error; shown when something failed. */
  logs: string
}

const readNext = [
  ['README.md', 'what Behalf is'],
  ['docs/quickstart.md', 'your own agent in five minutes'],
  ['examples/research-team', 'the code of what you just saw'],
] as const

const failure = ({ line, paint }: Narrator, { results, logs }: Ending): void => {
  for (const { name, detail } of results.filter(({ ok }) => !ok)) {
    line(`   ${paint('red', '✘')} ${paint('bold', name)}  ${detail}`)
  }
  if (logs === '') return
  line()
  line('What the processes logged last:')
  line(paint('dim', logs))
}

const pointers = ({ line, paint }: Narrator): void => {
  line('Read next:')
  for (const [path, what] of readNext) line(`   ${path.padEnd(24)} ${paint('dim', what)}`)
  line()
}

export const summary = (narrator: Narrator, ending: Ending): void => {
  const { line, paint } = narrator
  const { results, seconds } = ending
  const passed = results.filter(({ ok }) => ok).length
  const isFine = passed === results.length
  line()
  line(
    `${paint(isFine ? 'green' : 'red', `${passed} of ${results.length} steps passed`)} in ${seconds.toFixed(1)} s`,
  )
  line()
  if (isFine) pointers(narrator)
  else failure(narrator, ending)
}
