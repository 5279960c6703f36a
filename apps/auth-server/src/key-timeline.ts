/** When a signing key is published, used and withdrawn. Pure. */
import type { SigningAlgorithm } from '@behalf/protocol'

/** `Cache-Control: max-age` of the key set. */
export const jwksMaxAgeSeconds = 300

/** A new key is published this long before its first use: three times our max-age, and longer than
 * the ten minutes for which jose keeps a key set. */
export const publishAheadSeconds = 900

export const rotationSeconds = 90 * 24 * 3600

/** A key is published until the last token that it signed has expired, and so much longer. */
const withdrawMarginSeconds = 300

export interface TimedKey {
  kid: string
  alg: SigningAlgorithm
  activeFrom: Date
}

const byActivation = (one: TimedKey, other: TimedKey): number =>
  one.activeFrom.getTime() - other.activeFrom.getTime()

const plusSeconds = (date: Date, seconds: number): Date => new Date(date.getTime() + seconds * 1000)

/** The key to sign with: the one that became active last. */
export const activeKey = <Key extends TimedKey>(
  keys: readonly Key[],
  now: Date,
): Key | undefined => {
  const sorted = keys.toSorted(byActivation)
  return sorted.findLast((key) => key.activeFrom <= now) ?? sorted[0]
}

/** The keys to publish: all but those whose successor has been active for longer than a token lives. */
export const publishedKeys = <Key extends TimedKey>(
  keys: readonly Key[],
  now: Date,
  maxTokenLifetimeSeconds: number,
): Key[] => {
  const sorted = keys.toSorted(byActivation)
  const withdrawAfterSeconds = maxTokenLifetimeSeconds + withdrawMarginSeconds
  return sorted.filter((_, index) => {
    const successor = sorted[index + 1]
    return !successor || plusSeconds(successor.activeFrom, withdrawAfterSeconds) > now
  })
}

/**
 * Is a new key due?
 *
 * @returns when it is to become active, or `undefined` when none is due
 */
export const nextActivation = (
  keys: readonly TimedKey[],
  alg: SigningAlgorithm,
  now: Date,
): Date | undefined => {
  const newest = keys.toSorted(byActivation).at(-1)
  if (!newest) return now
  const ahead = plusSeconds(now, publishAheadSeconds)
  const due = newest.alg !== alg || plusSeconds(newest.activeFrom, rotationSeconds) <= ahead
  return due ? ahead : undefined
}
