/** A hand-off: lent authority as text, for the one agent it names. */
import {
  type AgentLimitsClaim,
  decodeBase64url,
  encodeBase64url,
  maxTokenLength,
  type NarrowingReport,
  OAuthError,
  parseCompactJws,
  parseJsonObject,
} from '@behalf/protocol'
import type { ExchangedToken } from './agent-token.js'
import { hide } from './hidden.js'
import { actorNames, authorityWords, chainWords, instantWords } from './plain-words.js'

/**
 * What one agent gives to another. As text, JSON or in a template it is {@link HandOff.text}, fit for
 * a task message: it is worth nothing to anyone but the agent named, who must authenticate to accept
 * it.
 */
export interface HandOff {
  readonly text: string
  /** The `client_id` of the agent that may accept it. */
  readonly to: string
  readonly delegationId: string | undefined
  /** The delegations from the root to this one. */
  readonly lineage: readonly string[]
  readonly scope: readonly string[]
  /** The resources asked for; empty: all that the token handed on was for. */
  readonly resources: readonly string[]
  readonly limits: AgentLimitsClaim
  /** What was asked for and cut, by its wire name. `undefined`: nothing was. */
  readonly narrowed: NarrowingReport | undefined
  /** Seconds since 1970: until then it may be accepted. */
  readonly expiresAt: number
  /** Who may take it, for whom, with what, until when: two lines of plain words, without the text. */
  describe(): string
  toString(): string
  toJSON(): string
}

const prefix = 'behalf-handoff.v1.'
/** A token of the longest kind, an issuer, and base64url around both. */
const maxLength = prefix.length + Math.ceil(((maxTokenLength + 4096) * 4) / 3)

export const isHandOffText = (text: string): boolean => text.startsWith(prefix)

const formatHandOff = (issuer: string, token: string): string =>
  prefix + encodeBase64url(new TextEncoder().encode(JSON.stringify({ issuer, token })))

interface HandOffDetails {
  issuer: string
  to: string
  resources: readonly string[]
}

const describe = (issued: ExchangedToken, { to, resources }: HandOffDetails): string => {
  const { subject, delegationId, expiresAt } = issued
  const chain = chainWords([to, ...actorNames(issued.chain)], subject)
  return [
    `${chain}: ${authorityWords({ ...issued, resources })}.`,
    `Hand-off ${delegationId ?? 'unknown'}, for ${to} to accept until ${instantWords(expiresAt)}.`,
  ].join('\n')
}

export const createHandOff = (issued: ExchangedToken, details: HandOffDetails): HandOff => {
  const text = formatHandOff(details.issuer, issued.accessToken)
  return hide(
    {
      text,
      to: details.to,
      delegationId: issued.delegationId,
      lineage: issued.lineage,
      scope: issued.scope,
      resources: details.resources,
      limits: issued.limits,
      narrowed: issued.narrowed,
      expiresAt: issued.expiresAt,
      describe: () => describe(issued, details),
      toString: () => text,
      toJSON: () => text,
    },
    'text',
    'describe',
    'toString',
    'toJSON',
  )
}

const malformed = (): OAuthError =>
  new OAuthError('invalid_request', {
    description: 'This is not a hand-off.',
    reason: 'malformed_hand_off',
    hint: 'Pass on the text of delegate() whole and unchanged; models and logs may cut it.',
  })

const foreign = (): OAuthError =>
  new OAuthError('invalid_request', {
    description: 'The hand-off is from another issuer than this agent belongs to.',
    reason: 'foreign_hand_off',
    hint: 'Both agents must be registered at the same issuer, spelt the same in createAgent().',
  })

const decode = (text: string): Record<string, unknown> => {
  try {
    return parseJsonObject(decodeBase64url(text.slice(prefix.length)))
  } catch {
    throw malformed()
  }
}

/** When the token says that it ends, in seconds since 1970. */
const endOf = (token: string): number => {
  try {
    const { exp } = parseCompactJws(token).payload
    if (typeof exp === 'number') return exp
  } catch {
    throw malformed()
  }
  throw malformed()
}

/**
 * Reads the text of a hand-off that is for agents of `issuer`.
 *
 * @throws OAuthError `invalid_request` with reason `malformed_hand_off` or `foreign_hand_off`
 */
export const parseHandOff = (
  text: string,
  issuer: string,
): { token: string; expiresAt: number } => {
  const trimmed = text.length <= maxLength * 2 ? text.trim() : ''
  if (!isHandOffText(trimmed) || trimmed.length > maxLength) throw malformed()
  const members = decode(trimmed)
  if (typeof members.issuer !== 'string' || typeof members.token !== 'string') throw malformed()
  if (members.issuer !== issuer) throw foreign()
  return { token: members.token, expiresAt: endOf(members.token) }
}
