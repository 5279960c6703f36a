/** More than the parent token or the delegation rule has is refused. */
import { createAgent } from '@behalf/client'
import { refusalOf } from './refusal.js'
import type { Step } from './step.js'

const noRule = { code: 'access_denied', reason: 'delegation_not_permitted' }

export const overAsking: Step = {
  name: 'over_asking',
  title: 'Whoever asks for too much gets a reason, not the power',
  proves: 'A prompt injection can make an agent ask for more. The server still says no.',
  run: async ({ stage: { issuer, secrets }, orchestrator: { agent } }, tell) => {
    const researcher = createAgent({
      issuer,
      clientId: 'researcher',
      clientSecret: secrets.researcher,
    })
    const handOff = await agent.delegate({ to: 'researcher', limits: { cost_budget_usd: '0.50' } })
    const token = await researcher.accept(handOff)
    const toScraper = { to: 'scraper', token }

    const wider = await refusalOf(
      researcher.delegate({ ...toScraper, scope: 'docs:read docs:publish' }),
    )
    tell.check('the researcher cannot lend docs:publish: invalid_scope', wider, {
      code: 'invalid_scope',
      reason: 'scope_not_allowed',
    })
    const unruled = await refusalOf(agent.delegate({ to: 'stranger' }))
    tell.check('nobody may lend to the stranger: no rule says so', unruled, noRule)
    const skipped = await refusalOf(agent.delegate({ to: 'scraper' }))
    tell.check('nor may the orchestrator skip the researcher', skipped, noRule)
    const { limits } = await researcher.delegate({ ...toScraper, limits: { cost_budget_usd: 50 } })
    tell.check('who asks for $50 gets what the rule has: $0.20', limits.cost_budget_usd, 0.2)
    await agent.revoke(handOff)
    return 'invalid_scope for more scope, access_denied (delegation_not_permitted) without a rule'
  },
}
