/** Why a delegation is allowed, or why it is not: asked of the server, without making anything. */
import {
  type AgentLimitsClaim,
  delegationCheckSchema,
  type NarrowingReport,
  type OAuthError,
  type OAuthErrorCode,
  readScope,
} from '@behalf/protocol'
import { authorityWords, lifeWords } from './plain-words.js'
import { parseAnswer, requireEndpoint, unusableAnswer } from './server-api.js'
import { askForm, type Form, type TokenEndpoint } from './token-endpoint.js'

interface Said {
  /** The rules that decided. Empty: no rule had a part in it, or it is not told. */
  readonly ruleIds: readonly string[]
  /** The answer in plain sentences. */
  readonly text: string
  toString(): string
}

export interface DelegationAllowed extends Said {
  readonly allowed: true
  /** Which exchange it would be: `hand_off`, `narrow`, `accept`, `push` or `pull`. */
  readonly shape: string
  readonly scope: readonly string[]
  readonly resources: readonly string[]
  readonly limits: AgentLimitsClaim
  /** Seconds that what is lent would live. */
  readonly expiresIn: number
  /** What was asked for and would be cut, by its wire name. `undefined`: nothing. */
  readonly narrowed: NarrowingReport | undefined
}

export interface DelegationRefused extends Said {
  readonly allowed: false
  readonly code: OAuthErrorCode
  readonly reason: string | undefined
  readonly description: string | undefined
  readonly hint: string | undefined
  readonly docs: string
}

export type DelegationAnswer = DelegationAllowed | DelegationRefused

/** Who would lend to whom, for the words of a no. */
export interface Hop {
  from: string
  to: string | undefined
}

const ruleWords = (ids: readonly string[]): string =>
  `by ${ids.length === 1 ? 'rule' : 'rules'} ${ids.join(' and ')}`

const said = <T extends object>(answer: T, text: string): Readonly<T & Said> => {
  const whole = Object.assign(answer, { text, toString: () => text })
  Object.defineProperty(whole, 'toString', { enumerable: false })
  return Object.freeze(whole as T & Said)
}

type Yes = Omit<DelegationAllowed, 'text' | 'toString'>

const yes = (answer: Yes): DelegationAllowed => {
  const words = [
    authorityWords(answer),
    `for ${lifeWords(answer.expiresIn)}`,
    ...(answer.ruleIds.length > 0 ? [ruleWords(answer.ruleIds)] : []),
  ]
  return said(answer, `Yes: ${words.join(', ')}.`)
}

const inSentence = (text: string): string =>
  /^[A-Z][a-z ]/.test(text) ? text.charAt(0).toLowerCase() + text.slice(1) : text

const problemWords = ({ reason, description, code }: OAuthError, { from, to }: Hop): string => {
  if (reason === 'delegation_not_permitted' && to !== undefined) {
    return `no rule lets ${from} delegate to ${to}.`
  }
  return inSentence(description ?? `${code}.`)
}

const no = (error: OAuthError, ruleIds: readonly string[], hop: Hop): DelegationRefused => {
  const { code, reason, description, hint, docs } = error
  const sentences = [
    `No: ${problemWords(error, hop)}`,
    ...(hint === undefined ? [] : [hint]),
    ...(ruleIds.length > 0 ? [`Decided ${ruleWords(ruleIds)}.`] : []),
  ]
  const answer = { allowed: false as const, code, reason, description, hint, ruleIds, docs }
  return said(answer, sentences.join(' '))
}

const scopeIn = (scope: string): readonly string[] => {
  const words = scope === '' ? [] : readScope(scope)
  if (words) return words
  throw unusableAnswer()
}

/** @throws OAuthError when the question itself is refused; a no to the delegation is an answer */
export const askCheck = async (
  { settings, discovery }: TokenEndpoint,
  form: Form,
  hop: Hop,
): Promise<DelegationAnswer> => {
  const { delegation_check_endpoint: known } = await discovery()
  const url = requireEndpoint(known, 'delegation check', 'delegation_check_not_supported')
  const { response, refusal } = await askForm(url, form, settings)
  if (response.status !== 200) throw refusal()
  const answer = parseAnswer(delegationCheckSchema, response.body)
  const ruleIds = answer.rule_ids ?? []
  if (!answer.allowed) return no(refusal(), ruleIds, hop)
  return yes({
    allowed: true,
    shape: answer.shape,
    scope: scopeIn(answer.scope),
    resources: answer.resources,
    limits: answer.agent_limits,
    expiresIn: answer.expires_in,
    ruleIds,
    narrowed: answer.narrowed,
  })
}
