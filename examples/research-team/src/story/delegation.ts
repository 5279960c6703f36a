/** A task is passed on twice, by hand-off. RFC 8693 §4.1 for `act`. */
import type { LentAuthority } from '../agents/task-message.js'
import type { Link } from '../print/drawings.js'
import { reportOf, type Step } from './step.js'

const hops = (depth: number | undefined): string =>
  depth === 1 ? '1 more hop' : `${depth ?? 'any'} more hops`

const link = (name: string, { scope, limits }: Pick<LentAuthority, 'scope' | 'limits'>): Link => ({
  name,
  lines: [
    ...scope,
    ...Array(Math.max(0, 3 - scope.length)).fill(''),
    `$${Number(limits.cost_budget_usd).toFixed(2)}`,
    hops(limits.max_delegation_depth),
  ],
})

const ownAuthority = {
  scope: ['docs:read', 'docs:comment', 'docs:publish'],
  limits: { cost_budget_usd: 5, max_delegation_depth: 2 },
}

export const delegation: Step = {
  name: 'delegation',
  title: 'Work is passed on, and power shrinks with every hop',
  proves: 'Each agent holds a token of its own with less in it. No credential was passed on.',
  run: async (world, tell) => {
    const task = await world.orchestrator.research('delegation')
    world.task = task
    const { authority: middle } = reportOf(task.reports, 'researcher')
    const { authority: last, outcomes } = reportOf(task.reports, 'scraper')
    tell.chain([
      link('orchestrator', ownAuthority),
      link('researcher', middle),
      link('scraper', last),
    ])
    tell.check('act nests: the scraper acts, lent by the researcher', last.actors, [
      'scraper',
      'researcher',
    ])
    tell.check('sub never changes', [middle.subject, last.subject], Array(2).fill('orchestrator'))
    tell.check('the researcher got a part of the scope', middle.scope, [
      'docs:read',
      'docs:comment',
    ])
    tell.check('the scraper got a part of that', last.scope, ['docs:read'])
    tell.check(
      'the money shrinks',
      [middle, last].map(({ limits }) => Number(limits.cost_budget_usd)),
      [0.5, 0.08],
    )
    tell.check(
      'so do the hops that may follow',
      [middle, last].map(({ limits }) => limits.max_delegation_depth),
      [1, 0],
    )
    tell.check('lineage grows by one link', last.lineage.slice(0, -1), middle.lineage)
    const named = 'scraper via researcher for orchestrator (acme)'
    tell.check('the docs server names the whole chain', outcomes[0]?.caller, named)
    return `orchestrator > researcher > scraper; the docs server saw ${named}`
  },
}
