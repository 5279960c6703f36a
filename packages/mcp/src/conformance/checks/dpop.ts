/** Tokens bound to the key of their sender. RFC 9449. */
import { parseChallenges } from '../challenge.js'
import { type Check, skipped } from '../check.js'
import type { Target } from '../target.js'
import { needs, refusesAll } from './bad-tokens.js'
import { specs } from './specs.js'

const isAdvertised = async ({ metadata, unauthenticated }: Target): Promise<boolean> => {
  const document = (await metadata()) ?? {}
  const header = (await unauthenticated()).header('www-authenticate')
  return (
    Array.isArray(document.dpop_signing_alg_values_supported) ||
    document.dpop_bound_access_tokens_required === true ||
    parseChallenges(header).some(({ scheme }) => scheme === 'dpop')
  )
}

const downgrade: Check = {
  id: 'dpop-bearer-downgrade-401',
  title: 'A token that is bound to a key is refused as a bearer token.',
  level: 'must',
  spec: specs.dpop,
  fix: 'Refuse a token with cnf.jkt under the scheme Bearer.',
  run: async (target) => {
    if (!(await isAdvertised(target))) return skipped('the server does not advertise DPoP')
    if (!target.mint) return needs(undefined)
    const jkt = '0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I'
    return refusesAll(target, [['cnf.jkt', await target.mint({ claims: { cnf: { jkt } } })]])
  },
}

const proofCheck = (fault: string, title: string): Check => ({
  id: `dpop-bad-${fault}-401`,
  title,
  level: 'must',
  spec: specs.dpop,
  fix: `Check ${fault} of each proof (RFC 9449 §4.3).`,
  run: async (target) =>
    skipped(
      (await isAdvertised(target))
        ? 'this kit makes no DPoP proofs yet'
        : 'the server does not advertise DPoP',
    ),
})

export const dpopChecks: readonly Check[] = [
  downgrade,
  proofCheck('ath', 'A proof for another token is refused.'),
  proofCheck('htu', 'A proof for another URL is refused.'),
  proofCheck('htm', 'A proof for another method is refused.'),
  proofCheck('replay', 'A proof that was used before is refused.'),
]
