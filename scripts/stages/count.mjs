/** How much passed and how much failed. */

export const nothing = { passed: 0, failed: 0, failures: [] }

export const one = (isFine) => (isFine ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 })

export const sum = (counts) =>
  counts.reduce(
    (total, { passed, failed, failures = [] }) => ({
      passed: total.passed + passed,
      failed: total.failed + failed,
      failures: [...total.failures, ...failures],
    }),
    nothing,
  )

/** Runs one thing after the other, since two cores are not many. */
export const sumOf = async (things, run) => {
  const counts = []
  for (const thing of things) counts.push(await run(thing))
  return sum(counts)
}

export const sentence = ({ passed, failed }) => `${passed} passed, ${failed} failed`

const mark = '✗ '

/** What has failed, a line each, to stand where the reader of a long output looks: at its end. */
export const listFailures = ({ failures = [] }) =>
  failures.map((failure) => `${mark}${failure}\n`).join('')

/** The same lines, out of the output of a run of ours. */
export const readFailures = (output) =>
  output
    .split('\n')
    .filter((line) => line.startsWith(mark))
    .map((line) => line.slice(mark.length))

/** Reads the last line of a run of ours; a run that ends otherwise has failed. */
export const readSentence = (output) => {
  const match = /^(\d+) passed, (\d+) failed$/.exec(output.trimEnd().split('\n').at(-1) ?? '')
  return match ? { passed: Number(match[1]), failed: Number(match[2]) } : one(false)
}
