/** A task is passed on twice, by hand-off. RFC 8693 §4.1 for `act`. */
import { decodeJwt } from 'jose'
import { z } from 'zod'
import { authority, type LentAuthority } from '../agents/task-message.js'
import type { Link } from '../print/drawings.js'
import { reportOf, type Step, type World } from './step.js'

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

const limitsClaim = z.object({ agent_limits: authority.shape.limits })

/** What the orchestrator has itself, as its own token says. */
const ownAuthority = async ({ orchestrator: { agent } }: World) => {
  const { accessToken, scope } = await agent.token()
  return { scope: [...scope], limits: limitsClaim.parse(decodeJwt(accessToken)).agent_limits }
}

/** Each limit is less than the one before. */
const shrinks = (values: readonly (number | string | undefined)[]): boolean =>
  values.every((value, index) => index === 0 || Number(value) < Number(values[index - 1]))

export const delegation: Step = {
  name: 'delegation',
  title: 'Work is passed on, and power shrinks with every hop',
  proves: 'Each agent holds a token of its own with less in it. No credential was passed on.',
  run: async (world, tell) => {
    const task = await world.orchestrator.research('delegation')
    world.task = task
    const { authority: middle } = reportOf(task.reports, 'researcher')
    const { authority: last, outcomes } = reportOf(task.reports, 'scraper')
    const first = await ownAuthority(world)
    tell.chain([link('orchestrator', first), link('researcher', middle), link('scraper', last)])
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
    const limits = [first, middle, last].map((one) => one.limits)
    const money = limits.map((one) => one.cost_budget_usd)
    tell.check('the money shrinks at each hop', shrinks(money), true)
    const depths = limits.map((one) => one.max_delegation_depth)
    tell.check('so do the hops that may follow', shrinks(depths), true)
    tell.check('the last hand-off has exactly what was lent', money.map(Number), [5, 0.5, 0.08])
    tell.check('lineage grows by one link', last.lineage.slice(0, -1), middle.lineage)
    const named = 'scraper via researcher for orchestrator (acme)'
    tell.check('the docs server names the whole chain', outcomes[0]?.caller, named)
    return `orchestrator > researcher > scraper; the docs server saw ${named}`
  },
}
