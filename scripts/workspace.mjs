/** Where things are: the root, the workspaces in it, and the environment that tools run in. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('..', import.meta.url))

const bin = join(root, 'node_modules', '.bin')

export const onWindows = process.platform === 'win32'

/** The path of an installed command line tool. */
export const tool = (name) => join(bin, onWindows ? `${name}.cmd` : name)

/** This very Node comes first, so that tools started through a shebang run on it too. */
export const toolEnvironment = () => ({
  ...process.env,
  PATH: [bin, join(process.execPath, '..'), process.env.PATH].join(delimiter),
  TURBO_TELEMETRY_DISABLED: '1',
  TURBO_NO_UPDATE_NOTIFIER: '1',
  DO_NOT_TRACK: '1',
})

export const readJson = (path) => JSON.parse(readFileSync(join(root, path), 'utf8'))

const filesBelow = (folder) =>
  existsSync(folder)
    ? readdirSync(folder, { withFileTypes: true }).flatMap((entry) =>
        entry.isDirectory() ? filesBelow(join(folder, entry.name)) : [join(folder, entry.name)],
      )
    : []

const foldersOf = (room) =>
  existsSync(join(root, room)) ? readdirSync(join(root, room)).map((name) => `${room}/${name}`) : []

const readWorkspace = (folder) => {
  const manifest = readJson(`${folder}/package.json`)
  const source = filesBelow(join(root, folder, 'src'))
  const isTest = (file) => file.endsWith('.test.ts')
  return {
    folder,
    room: folder.split('/')[0],
    path: join(root, folder),
    name: manifest.name,
    scripts: manifest.scripts ?? {},
    needsInstall: Boolean(manifest.dependencies ?? manifest.devDependencies),
    hasSource: source.some((file) => !isTest(file)),
    hasTests: [...source, ...filesBelow(join(root, folder, 'test'))].some(isTest),
  }
}

/** Every workspace of pnpm-workspace.yaml, in the order in which they build on each other. */
export const listWorkspaces = () =>
  [...foldersOf('packages'), ...foldersOf('apps'), ...foldersOf('examples'), 'bench']
    .filter((folder) => existsSync(join(root, folder, 'package.json')))
    .map(readWorkspace)

/** The workspaces that have one of these scripts and something to run it on. */
export const workspacesWith = (scripts) =>
  listWorkspaces().filter(
    (workspace) => workspace.hasSource && scripts.some((script) => workspace.scripts[script]),
  )
