/** What the docs server must not accept, and what a thief cannot use. */
import { createAgent } from '@behalf/client'
import type { ClientId } from '../stage/config.js'
import { callDocs } from './raw-call.js'
import { refusalOf } from './refusal.js'
import { delegatedTask, type Step, type World } from './step.js'

const agentNamed = (clientId: ClientId, { issuer, secrets }: World['stage']) =>
  createAgent({ issuer, clientId, clientSecret: secrets[clientId] })

/** A scope more in the payload. The signature is for something else now. */
const tamper = (token: string): string => {
  const [header = '', payload = '', signature = ''] = token.split('.')
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString())
  const changed = JSON.stringify({ ...claims, scope: `${claims.scope} docs:admin` })
  return [header, Buffer.from(changed).toString('base64url'), signature].join('.')
}

/** What somebody finds who takes a hand-off apart. */
const tokenIn = (handOff: string): string => {
  const [, , inside = ''] = handOff.split('.')
  return JSON.parse(Buffer.from(inside, 'base64url').toString()).token
}

export const wrongTokens: Step = {
  name: 'wrong_tokens',
  title: 'Tokens for somewhere else, from someone else, or edited',
  proves: 'A token opens one door of one tenant. Stolen or forged, it opens none.',
  run: async (world, tell) => {
    const { docs, reports, globex } = world.stage
    const { agent } = world.orchestrator
    const refuses = async (what: string, token: string, expected: string) => {
      const { status, reason } = await callDocs(docs, token)
      tell.check(`${what}: 401, ${expected}`, [status, reason], [401, expected])
    }
    const forReports = await agent.token({ resource: reports })
    await refuses('a token for another resource', forReports.accessToken, 'wrong_audience')

    const foreigner = agentNamed('globex-agent', world.stage)
    const notTheirs = await refusalOf(foreigner.token({ resource: docs }))
    tell.check('another tenant gets no token for Acme\u2019s docs', notTheirs, {
      code: 'invalid_target',
      reason: 'resource_not_allowed',
    })
    const theirs = await foreigner.token({ resource: globex })
    await refuses('and the token it has, for its own', theirs.accessToken, 'wrong_audience')
    const edited = tamper((await agent.token()).accessToken)
    await refuses('a good token with more scope written in', edited, 'bad_signature')

    const { text } = delegatedTask(world).handOff
    const bare = await callDocs(docs, tokenIn(text))
    tell.check(`the token inside a hand-off, as it is: 401, ${bare.reason}`, bare.status, 401)
    const thief = agentNamed('stranger', world.stage)
    tell.check(
      'a stolen hand-off is worth nothing to a colleague',
      await refusalOf(thief.accept(text)),
      {
        code: 'invalid_request',
        reason: 'may_act_mismatch',
      },
    )
    tell.check('nor to an agent of another tenant', await refusalOf(foreigner.accept(text)), {
      code: 'invalid_request',
      reason: 'subject_token_tenant_mismatch',
    })
    return '401 wrong_audience, 401 wrong_audience (another tenant), 401 bad_signature (tampered)'
  },
}
