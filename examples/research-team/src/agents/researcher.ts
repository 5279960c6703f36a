/**
 * The researcher, a process of its own: it is lent power for a task, keeps what it needs, and lends
 * the scraper less.
 */
import { createAgent } from '@behalf/client'
import { z } from 'zod'
import { agentSettings, readSettings } from '../settings.js'
import { createLentTasks, describeAuthority } from './lent-tasks.js'
import { sendTask } from './send-task.js'
import { serveTasks } from './serve-tasks.js'

const settings = readSettings(agentSettings.extend({ scraper: z.url() }))
const agent = createAgent(settings)
const tasks = createLentTasks(agent)

serveTasks(async (message) => {
  const lent = await tasks.authorityFor(message)
  const handOff =
    message.handOff &&
    (await agent.delegate({
      to: 'scraper',
      token: lent,
      scope: 'docs:read',
      limits: { cost_budget_usd: '0.08', allowed_actions: ['docs.search', 'docs.summarize'] },
    }))
  const below = await sendTask(settings.scraper, { ...message, handOff: handOff?.toString() })
  return [{ agent: agent.clientId, authority: describeAuthority(lent), outcomes: [] }, ...below]
})
