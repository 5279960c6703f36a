/** `npm run bench:gate`: fails when one of the two hottest paths is slower than what is committed. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ensureBuilt } from './ensure-built.mjs'
import { committedFor, isSurprise, judgeAll, verdictLine, withRatios } from './gate-rule.mjs'
import { runMain, StepFailed, secondsSince } from './process.mjs'
import { one, sentence, sum } from './stages/count.mjs'
import { root } from './workspace.mjs'

const path = join(root, 'bench', 'gate.json')
const node = process.versions.node

const help = `npm run bench:gate               compares with bench/gate.json
npm run bench:gate -- --update   writes there what is measured, for this Node
`

const say = (line) => process.stdout.write(`${line}\n`)

const maxRuns = 3

/** Again when it surprises: a neighbour may have been busy. */
const measure = async (run, committed) => {
  const ratios = [await run()]
  while (ratios.length < maxRuns && isSurprise(judgeAll(ratios, committed))) {
    ratios.push(await run())
  }
  return ratios
}

const compare = async (paths, gate) => {
  const committed = committedFor(gate, node)
  const counts = []
  for (const [name, run] of paths) {
    const ratios = await measure(run, committed[name])
    say(verdictLine(name, ratios, committed[name]))
    // What is not compared has neither passed nor failed.
    if (committed[name] !== undefined)
      counts.push(one(judgeAll(ratios, committed[name]) !== 'slower'))
  }
  return sum(counts)
}

const update = async (paths, gate) => {
  const ratios = {}
  for (const [name, run] of paths) {
    ratios[name] = await run()
    say(`${name}: ${ratios[name].toFixed(2)} x the floor`)
  }
  writeFileSync(path, `${JSON.stringify(withRatios(gate, node, ratios), undefined, 2)}\n`)
  return sum([one(true)])
}

const main = async () => {
  const args = process.argv.slice(2)
  const unknown = args.find((arg) => arg !== '--update')
  if (unknown !== undefined) throw new StepFailed(`${unknown} is not known.\n\n${help}`)
  // CPU times of other processes are read from /proc.
  if (process.platform !== 'linux') {
    say(`Not compared: this is ${process.platform}.\n\n${sentence(sum([]))}`)
    return 0
  }
  await ensureBuilt()
  const { tokenRatio, verifyRatio } = await import('../bench/src/gate.mjs')
  const paths = [
    ['token', tokenRatio],
    ['verify', verifyRatio],
  ]
  const gate = JSON.parse(readFileSync(path, 'utf8'))
  const begun = performance.now()
  say(`CPU time by that of the floor, Node ${node}`)
  const count = await (args.includes('--update') ? update : compare)(paths, gate)
  say(`${secondsSince(begun)}\n\n${sentence(count)}`)
  return count.failed > 0 ? 1 : 0
}

await runMain(main)
