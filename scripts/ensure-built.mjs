/** Brings a fresh clone, or a changed one, to where it can run: Node, dependencies, build. */
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runStep, StepFailed } from './process.mjs'
import { listWorkspaces, onWindows, readJson, root, tool, workspacesWith } from './workspace.mjs'

const isOlder = (version, floor) => {
  const [major, minor] = version.split('.').map(Number)
  const [floorMajor, floorMinor = 0] = floor.split('.').map(Number)
  return major < floorMajor || (major === floorMajor && minor < floorMinor)
}

const checkNode = () => {
  const floor = readJson('package.json').engines.node.replace('>=', '')
  const version = process.versions.node
  if (!isOlder(version, floor)) return
  throw new StepFailed(
    `Behalf needs Node ${floor} or newer and this is Node ${version}. Get one at https://nodejs.org and try again.`,
  )
}

const stampPath = join(root, 'node_modules', '.installed')

/** Changes when what should be installed changes. */
const installStamp = () => {
  const hash = createHash('sha256')
  const manifests = listWorkspaces().map(({ folder }) => `${folder}/package.json`)
  for (const file of ['pnpm-lock.yaml', 'pnpm-workspace.yaml', 'package.json', ...manifests]) {
    hash.update(file).update(readFileSync(join(root, file)))
  }
  return hash.digest('hex')
}

const isInstalled = () =>
  existsSync(tool('pnpm')) &&
  existsSync(stampPath) &&
  readFileSync(stampPath, 'utf8') === installStamp() &&
  listWorkspaces().every(
    ({ path, needsInstall }) => !needsInstall || existsSync(join(path, 'node_modules')),
  )

/** Installs what the lockfile says, unless that is what is there. */
export const ensureInstalled = async () => {
  checkNode()
  if (isInstalled()) return
  const install = ['install', '--frozen-lockfile']
  if (existsSync(tool('pnpm'))) {
    await runStep('Installing dependencies', tool('pnpm'), install)
  } else {
    // The first time there is only npm, which can fetch the pnpm that the root names.
    const pnpm = readJson('package.json').packageManager.split('+')[0]
    const npx = onWindows ? 'npx.cmd' : 'npx'
    await runStep('Installing dependencies', npx, ['-y', pnpm, ...install])
  }
  writeFileSync(stampPath, installStamp())
}

/** The root itself, as Turborepo calls it. */
const rootWorkspace = { name: '//' }

/**
 * The arguments of `turbo run`, over the workspaces that have something to run on: a package that is
 * only planned as yet has nothing to build.
 */
export const turboArguments = (tasks) => [
  'run',
  ...tasks,
  '--only',
  '--continue=dependencies-successful',
  '--concurrency=2',
  '--output-logs=errors-only',
  ...[rootWorkspace, ...workspacesWith(tasks)].map(({ name }) => `--filter=${name}`),
]

/** Builds what changed. Turborepo remembers the rest. */
export const build = async () => {
  await runStep('Building', tool('turbo'), turboArguments(['build']))
}

/** Call this before running anything that lives in a `dist` folder. */
export const ensureBuilt = async () => {
  await ensureInstalled()
  await build()
}
