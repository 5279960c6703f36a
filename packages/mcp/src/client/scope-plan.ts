/** What scope a client asks for: never more than its program has said, whatever a server says. */
import { intersectScope, missingScope, readScope } from '@behalf/protocol'

/** Words with a space between them, or a list of words. */
export type ScopeOption = string | readonly string[] | undefined

export interface ScopePlanOptions {
  /** What to ask for at first. @defaultValue what the server's challenge asks for, up to `maxScope` */
  scope?: ScopeOption
  /** The most that a challenge can make the client ask for. @defaultValue `scope` */
  maxScope?: ScopeOption
}

/** `undefined` asks for no scope, which is all that the agent is registered for at this resource. */
export type AskedScope = readonly string[] | undefined

export interface ScopePlan {
  first(challenged: string | undefined): AskedScope
  /** What was had and what is needed now. SEP-2350: a step-up asks for both. */
  more(had: readonly string[], challenged: string | undefined): AskedScope
}

const read = (scope: ScopeOption): readonly string[] | undefined => {
  if (scope === undefined) return undefined
  const words = readScope(typeof scope === 'string' ? scope : scope.join(' '))
  if (words && words.length > 0) return words
  throw new TypeError('scope and maxScope must be words of visible ASCII with one space between.')
}

const union = (one: readonly string[], other: readonly string[]): readonly string[] => [
  ...new Set([...one, ...other]),
]

/** @throws TypeError when `scope` holds more than `maxScope` */
export const createScopePlan = ({ scope, maxScope }: ScopePlanOptions): ScopePlan => {
  const wanted = read(scope)
  const ceiling = read(maxScope) ?? wanted
  if (!ceiling) return { first: () => undefined, more: () => undefined }
  if (wanted && missingScope(wanted, ceiling).length > 0) {
    throw new TypeError('maxScope must hold every word of scope.')
  }
  const allowed = (challenged: string): readonly string[] =>
    intersectScope(readScope(challenged) ?? [], ceiling)
  return {
    first: (challenged) => {
      const asked = wanted ?? (challenged === undefined ? ceiling : allowed(challenged))
      // To ask for nothing would be to ask for everything.
      return asked.length > 0 ? asked : ceiling
    },
    // The SDK v1 tells no provider which scope was missing.
    more: (had, challenged) =>
      challenged === undefined ? ceiling : union(intersectScope(had, ceiling), allowed(challenged)),
  }
}
