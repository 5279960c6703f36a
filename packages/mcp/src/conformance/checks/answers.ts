/** What all answers to bad tokens have in common. These run last, on what the others saw. */
import { encodeBase64url } from '@behalf/protocol'
import { type Check, failed, passed } from '../check.js'
import { encodePart } from '../signing.js'
import type { Target } from '../target.js'
import type { Labelled } from './bad-tokens.js'
import { specs } from './specs.js'

const deep = (levels: number): string => `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`

/** What has made parsers throw. */
const nasty = async ({ goodParts, mint }: Target): Promise<Labelled[]> => {
  const { header, claims, signature } = await goodParts()
  const rest = `${encodePart(claims)}.${signature || 'AA'}`
  const withHeader = (changed: object | string): string =>
    `${encodePart(typeof changed === 'string' ? changed : { ...changed })}.${rest}`
  return [
    ['no JSON', withHeader('{')],
    ['null', withHeader('null')],
    ['a list', withHeader('[]')],
    ['a number as alg', withHeader({ ...header, alg: 1 })],
    ['an object as kid', withHeader({ ...header, kid: { a: 1 } })],
    ['a path as kid', withHeader({ ...header, kid: '../../../../dev/null' })],
    ['__proto__ as kid', withHeader({ ...header, kid: '__proto__' })],
    ['deep JSON', withHeader(deep(1000))],
    ['bytes that are no text', `${encodeBase64url(new Uint8Array([0xff, 0xfe]))}.${rest}`],
    ['many dots', '.'.repeat(2000)],
    ['five parts', 'a.b.c.d.e'],
    ...(mint ? await nastyPayloads(mint) : []),
  ]
}

const nastyPayloads = async (mint: NonNullable<Target['mint']>): Promise<Labelled[]> => {
  const tokens: Labelled[] = []
  for (const payload of ['null', '[]', '1', '"a"', '{', '', '{"exp":1e400}']) {
    tokens.push([`payload ${payload}`, await mint({ claims: payload })])
  }
  for (const claims of [
    { sub: {} },
    { scope: { a: 1 } },
    { aud: {} },
    { jti: [] },
    { exp: 1e21 },
  ]) {
    tokens.push([`claims ${JSON.stringify(claims)}`, await mint({ claims })])
  }
  return tokens
}

/** A claim that is odd may be of no interest to the server; a failure is its own in any case. */
const never500: Check = {
  id: 'error-500-never-for-bad-token',
  title: 'No token, however bad, makes the server fail.',
  level: 'must',
  spec: specs.errorHandling,
  fix: 'Turn everything that a verifier throws into 401. The stock helpers answer 500 to any error but their own class, and clients then never get a new token.',
  run: async (target) => {
    for (const [, token] of await nasty(target)) await target.callBadly(token)
    const statuses = target.badAnswers.map(({ answer }) => answer.status)
    // 0: the connection broke off, which is how a crash looks from outside.
    const wrong = statuses.filter((status) => status >= 500 || status === 0)
    return wrong.length === 0
      ? passed(`none of ${statuses.length} bad tokens`)
      : failed(
          `${wrong.length} of ${statuses.length} bad tokens: ${[...new Set(wrong)].join(', ')}`,
        )
  },
}

const notEchoed: Check = {
  id: 'token-not-echoed',
  title: 'No answer repeats the token.',
  level: 'should',
  spec: specs.tokenSecrecy,
  fix: 'Keep the token out of error descriptions and headers: answers end in logs.',
  run: async (target) => {
    for (const token of ['canary-f2a1c9d07b', `${await target.good()}x`]) {
      await target.callBadly(token)
    }
    const repeats = target.badAnswers.filter(
      ({ token, answer }) =>
        token.length > 8 &&
        (answer.text.includes(token) || answer.header('www-authenticate')?.includes(token)),
    )
    return repeats.length === 0 ? passed('none') : failed(`${repeats.length} answers repeat it`)
  },
}

export const answerChecks: readonly Check[] = [never500, notEchoed]
