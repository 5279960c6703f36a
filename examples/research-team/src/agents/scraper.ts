/** The scraper, a process of its own: it calls the tools, with no more power than it was lent. */
import { createAgent } from '@behalf/client'
import { agentSettings, readSettings } from '../settings.js'
import { createDocsTools, type DocsTools } from './docs-tools.js'
import { createLentTasks, describeAuthority } from './lent-tasks.js'
import { serveTasks } from './serve-tasks.js'

const settings = readSettings(agentSettings)
const agent = createAgent(settings)
const tasks = createLentTasks(agent)
const toolsOf = new Map<string, DocsTools>()

serveTasks(async (message) => {
  const lent = await tasks.authorityFor(message)
  const tools = toolsOf.get(message.taskId) ?? createDocsTools(settings.docs, lent.fetch)
  toolsOf.set(message.taskId, tools)
  const { search, summarize = [] } = message
  const outcomes = await Promise.all([
    ...(search === undefined ? [] : [tools.searchDocs(search)]),
    ...summarize.map((document) => tools.summarizeDoc(document)),
  ])
  return [{ agent: agent.clientId, authority: describeAuthority(lent), outcomes }]
})
