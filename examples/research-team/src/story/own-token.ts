/** Client credentials: an agent acts for itself. RFC 6749 §4.4, RFC 9068. */
import { discover } from '@behalf/client'
import { createRemoteJWKSet, decodeJwt, jwtVerify } from 'jose'
import { z } from 'zod'
import type { Step } from './step.js'

const ownClaims = z.looseObject({
  sub: z.string(),
  aud: z.string(),
  scope: z.string(),
  tenant_id: z.string(),
  agent_limits: z.record(z.string(), z.unknown()),
  agent_lineage: z.array(z.string()),
})

const spellLimits = (limits: Record<string, unknown>): string =>
  Object.entries(limits)
    .map(([name, value]) => `${name} ${value}`)
    .join(' · ')

/** A library that knows nothing of us accepts it. RFC 9068 §4. */
const verifiesWithJose = async (token: string, issuer: string, audience: string) => {
  const { jwks_uri: url = '' } = await discover(issuer)
  const options = { issuer, audience, typ: 'at+jwt' }
  const { payload } = await jwtVerify(token, createRemoteJWKSet(new URL(url)), options)
  return payload.sub
}

export const ownToken: Step = {
  name: 'own_token',
  title: 'An agent gets a token of its own',
  proves: 'Every agent has an identity. No API key travels to the tools, and none is shared.',
  run: async ({ stage: { issuer, docs }, orchestrator: { agent } }, tell) => {
    const { accessToken } = await agent.token()
    const claims = ownClaims.parse(decodeJwt(accessToken))
    tell.fact('sub', claims.sub)
    tell.fact('aud', claims.aud)
    tell.fact('scope', claims.scope)
    tell.fact('tenant', claims.tenant_id)
    tell.fact('limits', spellLimits(claims.agent_limits))
    tell.fact('lineage', claims.agent_lineage.join(' › '))
    tell.check('the token names the agent itself', claims.sub, 'orchestrator')
    tell.check('nobody stands behind it: no act', claims.act, undefined)
    tell.check('it is for the docs server and for nothing else', claims.aud, docs)
    tell.check('its limits came along', claims.agent_limits, {
      cost_budget_usd: 5,
      allowed_actions: ['docs.*'],
      max_delegation_depth: 2,
    })
    const subject = await verifiesWithJose(accessToken, issuer, docs)
    tell.check('jose, a stock JWT library, verifies it', subject, 'orchestrator')
    return `sub ${claims.sub}, aud ${claims.aud}, scope ${claims.scope}`
  },
}
