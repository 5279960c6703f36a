/** The orchestrator: it gives the work to the researcher, with a part of its own power for a while. */
import { randomUUID } from 'node:crypto'
import { type Agent, createAgent, type HandOff } from '@behalf/client'
import { createDocsTools, type DocsTools } from './docs-tools.js'
import { sendTask } from './send-task.js'
import type { TaskMessage, TaskReport } from './task-message.js'

export interface OrchestratorOptions {
  issuer: string
  clientSecret: string
  /** The MCP server that the work is about. */
  docs: string
  /** Where the researcher listens. */
  researcher: string
}

export interface Task {
  handOff: HandOff
  reports: readonly TaskReport[]
  /** Goes on with the task: no new hand-off, and so no new power. */
  send(message: Omit<TaskMessage, 'taskId' | 'handOff'>): Promise<TaskReport[]>
  /** Takes back what was lent, from everyone who has some of it. */
  revoke(): Promise<void>
}

export interface Orchestrator {
  readonly agent: Agent
  readonly tools: DocsTools
  research(question: string): Promise<Task>
}

export const createOrchestrator = (options: OrchestratorOptions): Orchestrator => {
  const { docs, researcher, ...rest } = options
  const agent = createAgent({ ...rest, clientId: 'orchestrator', resource: docs })
  return {
    agent,
    tools: createDocsTools(docs, agent.fetch),
    research: async (question) => {
      const taskId = randomUUID()
      const handOff = await agent.delegate({
        to: 'researcher',
        scope: 'docs:read docs:comment',
        limits: { cost_budget_usd: '0.50', max_delegation_depth: 1 },
      })
      const message = { taskId, handOff: handOff.text, search: question }
      return {
        handOff,
        reports: await sendTask(researcher, message),
        send: (more) => sendTask(researcher, { taskId, ...more }),
        revoke: () => agent.revoke(handOff),
      }
    },
  }
}
