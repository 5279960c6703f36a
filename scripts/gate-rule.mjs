/** When a path has become slower: its cost as a multiple of a floor, beside the one that is committed. */

/** Runs of the same code differ by up to a tenth. */
export const tolerance = 0.2

/** The committed multiples of one Node, by its major: its crypto and its HTTP are most of the floor. */
export const committedFor = ({ ratios = {} }, nodeVersion) =>
  ratios[nodeVersion.split('.')[0]] ?? {}

/** @returns `not compared`, `slower`, `faster` or `kept` */
export const judge = (ratio, committed) => {
  if (committed === undefined) return 'not compared'
  if (ratio > committed * (1 + tolerance)) return 'slower'
  // The mirror of it: what was this much slower is kept, seen from the other side.
  if (ratio < committed / (1 + tolerance)) return 'faster'
  return 'kept'
}

/** What was measured again, because it was a surprise, has to surprise each time. */
export const judgeAll = (ratios, committed) => {
  const verdicts = new Set(ratios.map((ratio) => judge(ratio, committed)))
  return verdicts.size === 1 ? [...verdicts][0] : 'kept'
}

export const isSurprise = (verdict) => verdict === 'slower' || verdict === 'faster'

const said = {
  'not compared': () => 'not compared: no figure is committed for this Node',
  kept: (committed) => `as committed, ${committed}`,
  slower: (committed) => `slower by more than ${tolerance * 100} % than the committed ${committed}`,
  faster: (committed) =>
    `faster by more than ${tolerance * 100} % than the committed ${committed}: run "npm run bench:gate -- --update" to keep it so`,
}

const asText = (ratio) => ratio.toFixed(2)

/** A line for people. */
export const verdictLine = (name, ratios, committed) => {
  const verdict = judgeAll(ratios, committed)
  const mark = verdict === 'slower' ? '✗' : '✓'
  const times = ratios.map(asText).join(', ')
  return `${mark} ${name}: ${times} x the floor, ${said[verdict](committed && asText(committed))}`
}

/** The committed figures with those of this Node replaced; of several runs the middle. */
export const withRatios = (gate, nodeVersion, ratios) => {
  const rounded = Object.fromEntries(
    Object.entries(ratios).map(([name, ratio]) => [name, Number(asText(ratio))]),
  )
  return { ...gate, ratios: { ...gate.ratios, [nodeVersion.split('.')[0]]: rounded } }
}
