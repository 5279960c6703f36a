/** The authorization server dies without warning and starts again on the same data. */
import { setTimeout as sleep } from 'node:timers/promises'
import { createAgent, discover } from '@behalf/client'
import { createRemoteJWKSet, jwtVerify } from 'jose'
import { readBudget } from './ledger.js'
import { callDocs } from './raw-call.js'
import { scraperSearches } from './revocation.js'
import { delegatedTask, reportOf, type Step, type World } from './step.js'

const verifies = async ({ issuer, docs }: World['stage'], token: string) => {
  const { jwks_uri: url = '' } = await discover(issuer)
  const { payload } = await jwtVerify(token, createRemoteJWKSet(new URL(url)), {
    issuer,
    audience: docs,
  })
  return payload.sub
}

/** A long outage makes the docs server refuse everything until it has heard from the server again. */
const untilAnswered = async (docs: string, token: string): Promise<number> => {
  for (let left = 50; left > 0; left -= 1) {
    const { status } = await callDocs(docs, token)
    if (status < 500) return status
    await sleep(100)
  }
  return (await callDocs(docs, token)).status
}

export const restart: Step = {
  name: 'restart',
  title: 'The authorization server is killed, and comes back',
  proves: 'Keys, revocations and the ledger outlive the process: nothing is refilled or forgotten.',
  run: async (world, tell) => {
    const { stage, orchestrator } = world
    const task = delegatedTask(world)
    const old = (await orchestrator.agent.token()).accessToken
    await stage.killAuthServer()
    const away = await callDocs(stage.docs, old)
    tell.check('while it is gone, tokens are still verified, offline', away.status, 200)
    await stage.startAuthServer()
    tell.check(
      'it is back; the old token verifies with its keys',
      await verifies(stage, old),
      'orchestrator',
    )
    tell.check('and opens the docs server', await untilAnswered(stage.docs, old), 200)
    const refused = await scraperSearches(world)
    tell.check('the revocation is remembered', refused.reason, 'delegation_ended')
    const { issuer, docs, secrets } = stage
    const again = createAgent({
      issuer,
      clientId: 'orchestrator',
      clientSecret: secrets.orchestrator,
      resource: docs,
    })
    const fresh = await again.token()
    const answer = await callDocs(docs, fresh.accessToken)
    tell.check('new tokens can be had, and work', answer.status, 200)
    const { authority } = reportOf(task.reports, 'scraper')
    const balance = await readBudget(again, authority.lineage.at(-1) ?? '')
    tell.budget(Number(balance.spent_usd), Number(balance.cap_usd))
    tell.check('so is every cent that was spent', balance.spent_usd, '0.08')
    return `old tokens verify, the revocation holds, ${balance.spent_usd} USD are still spent`
  },
}
