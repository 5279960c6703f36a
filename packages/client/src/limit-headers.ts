/** What response headers say of a limit: how long to wait, and for what. */
import { readHttpDate } from './instant.js'

/** Longer headers than this are not read. */
const maxLength = 8192

const wholeNumber = /^\d{1,10}$/

/** A count or a number of seconds, as a number or as its digits; `undefined` for anything else. */
export const readCount = (value: unknown): number | undefined =>
  (typeof value === 'number' || typeof value === 'string') && wholeNumber.test(String(value))
    ? Number(value)
    : undefined

/**
 * The seconds of `Retry-After`, whichever of its two forms it has. A date is measured from the
 * `Date` of the same response where there is one: the clock here may be wrong.
 *
 * @param now milliseconds since 1970
 * @see RFC 9110 §10.2.3
 */
export const retryAfterSeconds = (headers: Headers, now: number): number | undefined => {
  const text = headers.get('retry-after') ?? ''
  const seconds = readCount(text)
  const date = seconds === undefined ? readHttpDate(text) : undefined
  if (date === undefined) return seconds
  const sentAt = readHttpDate(headers.get('date') ?? '')?.getTime() ?? now
  return Math.max(0, Math.ceil((date.getTime() - sentAt) / 1000))
}

type Member = readonly [name: string, parameters: ReadonlyMap<string, string>]

const value = '"(?:[^"\\\\]|\\\\["\\\\])*"|[\\w*?:/+.=%-]+'
const parameter = `;[ ]*([a-z*][a-z0-9_.*-]*)=(${value})`
const member = new RegExp(`(${value})((?:${parameter})*)[ \\t]*(?:,[ \\t]*|$)`, 'y')

const parametersOf = (text: string): ReadonlyMap<string, string> =>
  new Map([...text.matchAll(new RegExp(parameter, 'g'))].map(([, key = '', of = '']) => [key, of]))

/** The members of a list with their parameters. One that breaks the grammar says nothing. RFC 9651. */
const parseList = (header: string | null): readonly Member[] => {
  const text = header ?? ''
  const members: Member[] = []
  if (text.length > maxLength) return []
  member.lastIndex = 0
  while (member.lastIndex < text.length) {
    const match = member.exec(text)
    if (!match) return []
    members.push([match[1] ?? '', parametersOf(match[2] ?? '')])
  }
  return members
}

export interface UsedUp {
  /** Until it may be used again. */
  seconds: number | undefined
  /** Requests that it allows in its window, where it counts requests. */
  limit: number | undefined
}

/**
 * Of the limits that have nothing left, the one that takes longest.
 *
 * @see draft-ietf-httpapi-ratelimit-headers-10 §3, §4
 */
export const usedUpLimit = (headers: Headers): UsedUp | undefined => {
  const waits = parseList(headers.get('ratelimit'))
    .filter(([, parameters]) => parameters.get('r') === '0')
    .map(([name, parameters]) => ({ name, seconds: readCount(parameters.get('t')) }))
    .sort((one, other) => (other.seconds ?? 0) - (one.seconds ?? 0))
  const [longest] = waits
  if (!longest) return undefined
  const policies = parseList(headers.get('ratelimit-policy'))
  const policy = policies.find(([name]) => name === longest.name)?.[1]
  const countsRequests = (policy?.get('qu') ?? '"requests"') === '"requests"'
  return {
    seconds: longest.seconds,
    limit: countsRequests ? readCount(policy?.get('q')) : undefined,
  }
}
