/** Verification in the process of a resource server, and what each verifier weighs. */
import { measureSizes } from './sizes.mjs'
import { measureVerifiers } from './verify-round.mjs'
import { targetsFor } from './verify-targets.mjs'
import { startIssuer } from './verify-tokens.mjs'

const algorithms = ['ES256', 'EdDSA', 'RS256']
const rounds = 9

const goalOf = ({ name, isSeen }) => {
  if (!name.startsWith('@behalf')) return ''
  return isSeen ? '≤ 2 µs' : '≤ 1.2 x'
}

const reportOf = (alg, targets, spent) => {
  const floor = Math.min(...spent.filter((_, index) => targets[index].isFloor))
  return {
    title: `Verification, ${alg}, Node ${process.versions.node}`,
    columns: ['verifier', 'token', 'CPU µs', 'x floor', 'goal'],
    rows: targets.map((target, index) => [
      target.name,
      target.isSeen ? 'seen before' : 'new',
      spent[index].toFixed(2),
      (spent[index] / floor).toFixed(2),
      goalOf(target),
    ]),
  }
}

const measureAlgorithm = async (alg, say) => {
  say(`Verifying ${alg}: ${rounds} rounds in turn`)
  const issuer = await startIssuer(alg)
  try {
    const targets = targetsFor(alg)
    return reportOf(alg, targets, await measureVerifiers(targets, issuer, rounds))
  } finally {
    issuer.stop()
  }
}

const note =
  'User and system time of all threads, medians. Each accepted a token, and refused a tampered one, one for another audience and an expired one. Ours checks revocation too, on every use; the others check the signature, issuer, audience and expiry. The floor is the quicker of its rows.'

/** @param {(line: string) => void} say shows progress */
export const measureVerify = async (say) => {
  const reports = []
  for (const alg of algorithms) reports.push(await measureAlgorithm(alg, say))
  reports.at(-1).notes = [note]
  return [...reports, await measureSizes(say)]
}
