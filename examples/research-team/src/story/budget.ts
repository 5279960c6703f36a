/** Paid calls race for the last cents of a delegation. */
import type { Outcome } from '../agents/task-message.js'
import { settledBudget } from './ledger.js'
import { delegatedTask, reportOf, type Step } from './step.js'

const calls = 10

const isBudgetRefusal = ({ ok, text }: Outcome): boolean =>
  !ok && /^(budget_exhausted|insufficient_budget):/.test(text)

/** As many documents as there are calls; the same ones again when there are fewer. */
const pick = (documents: readonly string[]): string[] =>
  Array.from({ length: calls }, (_, index) => documents[index % documents.length] ?? '')

export const budget: Step = {
  name: 'budget',
  title: 'Ten paid calls at once, and money for two',
  proves: 'A limit is a promise: not one cent more is spent, however many calls race for it.',
  run: async (world, tell) => {
    const task = delegatedTask(world)
    const { outcomes: found, authority } = reportOf(task.reports, 'scraper')
    const reports = await task.send({ summarize: pick(found[0]?.documents ?? []) })
    const { outcomes } = reportOf(reports, 'scraper')
    const done = outcomes.filter(({ ok }) => ok).length
    const refused = outcomes.filter(isBudgetRefusal)
    const balance = await settledBudget(world.orchestrator.agent, authority.lineage.at(-1) ?? '')
    tell.budget(Number(balance.spent_usd), Number(balance.cap_usd))
    tell.fact('no. 3', refused[0]?.text ?? outcomes[2]?.text ?? '')
    tell.check('two calls of $0.04 succeed', done, 2)
    tell.check('eight are refused for lack of money, as a tool result', refused.length, 8)
    tell.check('the ledger: all of it spent, nothing held, nothing beyond', balance, {
      cap_usd: '0.08',
      spent_usd: '0.08',
      held_usd: '0',
    })
    return `${done} of ${calls} succeeded, ${balance.spent_usd} of ${balance.cap_usd} USD spent`
  },
}
