/** What a token says of who acts for whom, within which limits, and whether it still holds. */
import { type Check, failed, type Outcome, passed, skipped } from '../check.js'
import type { Target } from '../target.js'
import { mintedCheck, needs } from './bad-tokens.js'
import { specs } from './specs.js'
import { callTool, denialIn, hasRun, shownTool } from './tool-calls.js'

const nested = (depth: number): object => {
  let act: object = { sub: 'agent-0' }
  for (let level = 1; level < depth; level += 1) act = { sub: `agent-${level}`, act }
  return act
}

const tooDeep = mintedCheck({
  id: 'act-chain-too-deep',
  title: 'A chain of actors beyond all measure is refused.',
  level: 'advised',
  spec: specs.actors,
  fix: 'Bound how deep act may be nested, measure it before reading it, and answer 401.',
  allowed: [400, 401, 403],
  changes: async () => [
    ['40 actors', { claims: { act: nested(40) } }],
    ['200 actors', { claims: { act: nested(200) } }],
  ],
})

const malformedActor = mintedCheck({
  id: 'malformed-act-401',
  title: 'A token that does not say properly who acts is refused.',
  level: 'advised',
  spec: specs.actors,
  fix: 'Require act to be an object with a sub. Who cannot read it must not take the token for one of the subject alone.',
  changes: async () => [
    ['text', { claims: { act: 'agent' } }],
    ['a list', { claims: { act: ['agent'] } }],
    ['an empty object', { claims: { act: {} } }],
    ['a number as sub', { claims: { act: { sub: 1 } } }],
  ],
})

const unknownLimit = mintedCheck({
  id: 'unknown-limit-denied',
  title: 'A limit that the server does not know is no permission to do without it.',
  level: 'advised',
  spec: specs.actors,
  fix: 'Refuse a token whose agent_limits has a member that you do not know.',
  allowed: [401, 403],
  changes: async () => [['agent_limits', { claims: { agent_limits: { moons_per_year: 1 } } }]],
})

const limitedCalls = 4

/** Refused for the limit and for nothing else: neither by a new token nor by a step-up to be mended. */
const judgeLimit = (status: number, count: number): Outcome =>
  [402, 429].includes(status)
    ? passed(`call ${count} is answered ${status}`)
    : failed(`call ${count} is answered ${status}`)

/** Nothing is said of limits by a server that counts elsewhere, where the kit has nothing to count with. */
const uncounted = skipped(
  "503: the server counts where the kit's issuer has nothing; start it without its ledger (protectMcp: without budget)",
)

const exceedByRequests = async ({ mint, call }: Target): Promise<Outcome> => {
  const token = await mint?.({ claims: { agent_limits: { requests_per_hour: 1 } } })
  for (let count = 1; count <= limitedCalls; count += 1) {
    const { status } = await call({ token })
    if (status === 503 && count === 1) return uncounted
    if (status >= 300) return judgeLimit(status, count)
  }
  return failed(`${limitedCalls} requests by a token that may make 1 an hour`)
}

const exceedByTool = async (target: Target, token: string): Promise<Outcome> => {
  if (!target.tool) {
    const { status } = await target.call({ token })
    return status < 300 ? failed('let in') : judgeLimit(status, 1)
  }
  const call = await callTool(target, token, target.tool)
  if (hasRun(call)) return failed('the tool ran')
  if (call.answer.status >= 300) return judgeLimit(call.answer.status, 1)
  return denialIn(call)
    ? passed(shownTool(call))
    : failed(`no structured denial: ${shownTool(call)}`)
}

const limitsExceeded: Check = {
  id: 'limits-exceeded-denial',
  title: 'Whose limits are used up is told so, by 402, 429 or a structured denial.',
  level: 'advised',
  spec: specs.tooManyRequests,
  fix: 'Enforce agent_limits. Answer 429 with Retry-After, 402, or a tool result with isError and a structured denial: never 401 or 403, which make clients fetch another token in vain.',
  run: async (target) => {
    const given = await target.supplied('limitsExceeded')
    if (given !== undefined) return exceedByTool(target, given)
    return target.mint ? exceedByRequests(target) : needs('limitsExceeded')
  },
}

const pollMs = 250

const isRefusedWithin = async (
  target: Target,
  token: string,
  seconds: number,
): Promise<boolean> => {
  const rounds = Math.ceil((seconds * 1000) / pollMs)
  for (let round = 0; round < rounds; round += 1) {
    if ((await target.call({ token })).status === 401) return true
    await target.sleep(pollMs)
  }
  return false
}

const revoked: Check = {
  id: 'revoked-401',
  title: 'A token that was revoked is refused within seconds.',
  level: 'advised',
  spec: specs.introspection,
  fix: 'Follow the list of what was revoked, or introspect. A server that only checks signatures honours a stolen token until it expires.',
  run: async (target) => {
    const given = await target.supplied('revoked')
    const { mint, tokens, revocationSeconds: seconds } = target
    if (given !== undefined) {
      return (await isRefusedWithin(target, given, 1)) ? passed('401') : failed('let in')
    }
    if (!mint || !tokens.revoke) return needs('revoked')
    const token = await mint({})
    const before = await target.call({ token })
    if (before.status >= 300) return failed(`${before.status} before it was revoked`)
    await tokens.revoke(token)
    return (await isRefusedWithin(target, token, seconds))
      ? passed('401')
      : failed(`still let in ${seconds} s after it was revoked`)
  },
}

export const delegationChecks: readonly Check[] = [
  tooDeep,
  malformedActor,
  unknownLimit,
  limitsExceeded,
  revoked,
]
