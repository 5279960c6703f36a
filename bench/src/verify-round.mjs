/** One verifier at a time: first that it accepts and refuses what it should, then its CPU time. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { median } from './measure.mjs'

const perRound = 2_000
const repeats = 20

const isRefused = async (verify, token) => {
  try {
    await verify(token)
    return false
  } catch {
    return true
  }
}

/** @throws Error for a verifier that is not worth measuring */
const judge = async ({ name }, verify, issuer) => {
  const good = issuer.token()
  await verify(good)
  await verify(good)
  for (const [what, token] of Object.entries(issuer.refusable())) {
    if (!(await isRefused(verify, token))) throw new Error(`${name} accepts ${what}`)
  }
}

/** The text anew for each use, as a request brings it: a string that was looked up before is quicker. */
const textOf = (bytes) => bytes.latin1Slice(0, bytes.length)

const run = async (verify, tokens) => {
  for (const bytes of tokens) {
    const result = verify(textOf(bytes))
    if (result instanceof Promise) await result
  }
}

const cpuMicroseconds = async (work) => {
  const before = process.cpuUsage()
  await work()
  const { user, system } = process.cpuUsage(before)
  return user + system
}

/** A verifier made for this round alone has seen none of the tokens. */
const measureRound = async (target, issuer, tokens) => {
  const { verify, close } = target.create(issuer)
  try {
    await judge(target, verify, issuer)
    if (target.isSeen) await run(verify, tokens)
    await nextTurn()
    const passes = target.isSeen ? repeats : 1
    const spent = await cpuMicroseconds(async () => {
      for (let pass = 0; pass < passes; pass += 1) await run(verify, tokens)
    })
    return spent / (tokens.length * passes)
  } finally {
    await close?.()
  }
}

/**
 * Rounds in turn, the first of which warms up and does not count.
 *
 * @returns {Promise<number[]>} for each target its median: CPU microseconds of one verification
 */
export const measureVerifiers = async (targets, issuer, rounds) => {
  const tokens = Array.from({ length: perRound }, () => Buffer.from(issuer.token()))
  const results = targets.map(() => [])
  for (let round = 0; round <= rounds; round += 1) {
    for (const [index, target] of targets.entries()) {
      const spent = await measureRound(target, issuer, tokens)
      if (round > 0) results[index].push(spent)
    }
  }
  return results.map(median)
}
