/** A check that a few tokens are refused, which is what most checks are. */
import { type Check, failed, judge, type Outcome, skipped } from '../check.js'
import type { Target } from '../target.js'
import type { SuppliedKind, TokenChanges } from '../token-source.js'

export type Labelled = readonly [label: string, token: string]

/** Every one of them must be answered 401. */
export const refusesAll = async (
  target: Target,
  tokens: readonly Labelled[],
  allowed: readonly number[] = [401],
): Promise<Outcome> => {
  const problems: string[] = []
  const seen = new Set<number>()
  for (const [label, token] of tokens) {
    const { status } = await target.callBadly(token)
    seen.add(status)
    if (!allowed.includes(status)) problems.push(`${label}: ${status === 0 ? 'no answer' : status}`)
  }
  return judge(
    problems,
    `${[...seen].join(' or ')} for ${tokens.map(([label]) => label).join(', ')}`,
  )
}

export interface MintedCheck extends Omit<Check, 'run'> {
  /** Which of the supplied tokens will do where the kit does not hold the issuer's key. */
  supplied?: SuppliedKind
  allowed?: readonly number[]
  changes: (target: Target) => Promise<readonly (readonly [label: string, changes: TokenChanges])[]>
}

const kebab = (kind: string): string =>
  kind.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)

/** What is missing for a check that needs tokens that only an issuer can sign. */
export const needs = (kind: SuppliedKind | undefined): Outcome =>
  skipped(
    kind === undefined
      ? "needs the kit's own issuer (--test-issuer)"
      : `needs the kit's own issuer (--test-issuer), or such a token ("${kebab(kind)}" in --tokens)`,
  )

/** For tokens that are truly signed and wrong all the same. */
export const mintedCheck = (minted: MintedCheck): Check => {
  const { supplied, allowed, changes, ...check } = minted
  return {
    ...check,
    run: async (target) => {
      const given = supplied && (await target.supplied(supplied))
      if (given !== undefined)
        return refusesAll(target, [['the token that was given', given]], allowed)
      if (!target.mint) return needs(supplied)
      const tokens: Labelled[] = []
      for (const [label, change] of await changes(target)) {
        tokens.push([label, await target.mint(change)])
      }
      return tokens.length === 0 ? failed('no token was made') : refusesAll(target, tokens, allowed)
    },
  }
}
