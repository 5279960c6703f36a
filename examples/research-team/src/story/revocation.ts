/** Revoking the hand-off ends the branch below it. RFC 7009. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Outcome } from '../agents/task-message.js'
import { delegatedTask, reportOf, type Step, type World } from './step.js'

/** What the verifier promises: when it cannot know, it refuses. */
const boundMs = 10_000
const pollMs = 50

/** The scraper asks again, with what it was lent: no new hand-off, no new token. */
export const scraperSearches = async (world: World): Promise<Outcome> => {
  const reports = await delegatedTask(world).send({ search: 'delegation' })
  const { outcomes } = reportOf(reports, 'scraper')
  return outcomes[0] ?? { tool: 'search_docs', about: '', ok: false, text: 'no outcome' }
}

const untilRefused = async (world: World): Promise<Outcome> => {
  const begun = performance.now()
  let outcome = await scraperSearches(world)
  while (outcome.ok && performance.now() - begun <= boundMs) {
    await sleep(pollMs)
    outcome = await scraperSearches(world)
  }
  return outcome
}

export const revocation: Step = {
  name: 'revocation',
  title: 'The orchestrator takes it back',
  proves: 'One revocation ends a whole branch within seconds, not when the tokens expire.',
  run: async (world, tell) => {
    const before = await scraperSearches(world)
    tell.check('the scraper can still search', before.ok, true)
    await delegatedTask(world).revoke()
    const begun = performance.now()
    const after = await untilRefused(world)
    const seconds = (performance.now() - begun) / 1000
    tell.fact('says', after.text)
    tell.check('then the hand-off is revoked: refused, and no new token', after.ok, false)
    tell.check('because what it was lent has ended', after.reason, 'delegation_ended')
    tell.check(`that took ${seconds.toFixed(2)} s; the bound is 10 s`, seconds <= 10, true)
    const own = await world.orchestrator.tools.searchDocs('delegation')
    tell.check('the orchestrator\u2019s own token still works', own.ok, true)
    return `refused ${seconds.toFixed(2)} s after the revocation; the bound is 10 s`
  },
}
