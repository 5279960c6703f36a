/** What the agents say to each other: plain JSON over HTTP, a hand-off inside where power is lent. */
import { z } from 'zod'

export const taskMessage = z.object({
  taskId: z.uuid(),
  /** The text of a hand-off, with the first message of a task. */
  handOff: z.string().optional(),
  /** Free: find passages about this. */
  search: z.string().optional(),
  /** Paid: summarize these documents, all at once. */
  summarize: z.array(z.string()).optional(),
})
export type TaskMessage = z.infer<typeof taskMessage>

/** What an agent says of the power it was lent. The token itself never leaves its process. */
export const authority = z.object({
  subject: z.string(),
  /** Who acts, then who lent it to them, outermost first. */
  actors: z.array(z.string()),
  scope: z.array(z.string()),
  limits: z.looseObject({
    cost_budget_usd: z.union([z.number(), z.string()]).optional(),
    max_delegation_depth: z.number().optional(),
    allowed_actions: z.array(z.string()).readonly().optional(),
  }),
  lineage: z.array(z.string()),
})
export type LentAuthority = z.infer<typeof authority>

const outcome = z.object({
  tool: z.string(),
  about: z.string(),
  ok: z.boolean(),
  text: z.string(),
  /** As the docs server names the caller. */
  caller: z.string().optional(),
  /** The documents in which passages were found. */
  documents: z.array(z.string()).optional(),
  /** Why not, when a token was not accepted: the stable reason. */
  reason: z.string().optional(),
})
export type Outcome = z.infer<typeof outcome>

export const taskReport = z.object({
  agent: z.string(),
  authority,
  outcomes: z.array(outcome),
})
export type TaskReport = z.infer<typeof taskReport>

/** The reports of everyone who worked on it, the one who was asked first. */
export const taskReports = z.array(taskReport)
