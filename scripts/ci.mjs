/** The whole of CI: `npm test` here, then what was built on every Node that we promise, then speed. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { capture, runMain, secondsSince } from './process.mjs'
import { findRedis } from './redis.mjs'
import { listFailures, one, readFailures, readSentence, sentence, sum } from './stages/count.mjs'
import { onWindows, root } from './workspace.mjs'

const nodeVersions = ['22.23.3', '24.21.0', '26.10.0']

/**
 * The stages that run what was built, without the judges. What the others see is the same on every Node.
 * What is not run is not counted.
 */
const builtStages = ['unit', 'built', 'examples']

const npm = onWindows ? 'npm.cmd' : 'npm'

const show = (text) => process.stdout.write(text)

const summary = []

/** A run of ours, shown as it goes and counted by its last line. */
const countRun = async (title, [command, args], env = {}) => {
  const begun = performance.now()
  show(`\n━━ ${title} ━━\n`)
  const { code, stdout } = await capture(command, args, { env, onOutput: show })
  const said = readSentence(stdout)
  const count = code !== 0 && said.failed === 0 ? sum([said, one(false)]) : said
  summary.push(`${title}: ${sentence(count)}, ${secondsSince(begun)}`)
  return { ...count, failures: readFailures(stdout).map((failure) => `${title}: ${failure}`) }
}

/** Fetches one Node, once. @returns the folder of its binary, or nothing when that failed */
const installNode = async (version) => {
  const prefix = join(root, 'node_modules', '.cache', 'node', version)
  const folder = join(prefix, 'node_modules', 'node', 'bin')
  const binary = join(folder, 'node')
  const runs = async () => (await capture(binary, ['--version'])).stdout.trim() === `v${version}`
  if (await runs()) return folder
  mkdirSync(prefix, { recursive: true })
  const flags = ['--no-audit', '--no-fund', '--no-package-lock', '--loglevel=error']
  const install = ['install', '--prefix', prefix, ...flags, `node@${version}`]
  const { output } = await capture(npm, install)
  if (await runs()) return folder
  show(`${output}\n`)
  return undefined
}

const countOnNode = async (version) => {
  const title = `Node ${version}`
  const folder = await installNode(version)
  if (!folder) {
    summary.push(`${title}: could not be installed`)
    return one(false)
  }
  const test = [join(folder, 'node'), [join(root, 'scripts', 'test.mjs'), ...builtStages]]
  // Programs of others, which judge the same answers whatever Node gave them: once is enough.
  return countRun(title, test, { BEHALF_TEST_JUDGES: 'off' })
}

/** Debian's, where nothing else is there and it can be had. It is not started as a service. */
const installRedis = async () => {
  const env = { DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' }
  const install = ['install', '--yes', '--no-install-recommends', 'redis-server']
  for (const args of [['update'], install]) {
    const command = ['120', 'apt-get', '--quiet=2', ...args]
    const { code, output } = await capture('timeout', command, { env })
    if (code !== 0) return show(`${output}\n`)
  }
}

/** Limits that several servers share are tested with a real Redis. */
const findOrInstallRedis = async () => {
  if (findRedis() === undefined && process.platform === 'linux') await installRedis()
  if (findRedis() === undefined)
    summary.push('Redis: there is none here, so its tests were left out')
}

const main = async () => {
  await findOrInstallRedis()
  const counts = [await countRun(`Node ${process.versions.node}`, [npm, ['test']], { CI: 'true' })]
  for (const version of nodeVersions) counts.push(await countOnNode(version))
  counts.push(
    await countRun('Speed', [process.execPath, [join(root, 'scripts', 'bench-gate.mjs')]]),
  )
  const total = sum(counts)
  show(`\n${summary.join('\n')}\n\n${listFailures(total)}${sentence(total)}\n`)
  return total.failed > 0 || total.passed === 0 ? 1 : 0
}

await runMain(main)
