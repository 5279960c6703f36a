/** What an agent was lent, per task: the hand-off comes once, the messages go on. */
import type { Agent, DelegatedToken } from '@behalf/client'
import type { LentAuthority, TaskMessage } from './task-message.js'

export interface LentTasks {
  /** Accepts the hand-off of a new task, or finds what was accepted before. */
  authorityFor(message: TaskMessage): Promise<DelegatedToken>
}

export const createLentTasks = (agent: Agent): LentTasks => {
  const lent = new Map<string, DelegatedToken>()
  return {
    authorityFor: async ({ taskId, handOff }) => {
      const known = lent.get(taskId)
      if (known) return known
      if (handOff === undefined) throw new Error('A new task needs a hand-off.')
      const token = await agent.accept(handOff)
      lent.set(taskId, token)
      return token
    },
  }
}

/** For the report: what the token says, without the token. */
export const describeAuthority = (token: DelegatedToken): LentAuthority => ({
  subject: token.subject,
  actors: token.chain.map(({ sub }) => sub),
  scope: [...token.scope],
  limits: { ...token.limits },
  lineage: [...token.lineage],
})
