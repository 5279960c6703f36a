/** The orchestrator calls a tool itself, with its own token. */
import type { Step } from './step.js'

export const toolCall: Step = {
  name: 'tool_call',
  title: 'With the token, the tool answers, and knows who asked',
  proves: 'The tool sees a verified caller, not a shared key: logs and bills get a name.',
  run: async ({ orchestrator: { tools } }, tell) => {
    const outcome = await tools.searchDocs('token')
    tell.fact('says', outcome.text.split('\n')[0] ?? '')
    tell.check('search_docs works', outcome.ok, true)
    tell.check('its result names the caller', outcome.caller, 'orchestrator (acme)')
    const found = outcome.documents?.length ?? 0
    tell.check(`it found something, in ${found} of the documents`, found > 0, true)
    return `search_docs answered ${outcome.caller}`
  },
}
