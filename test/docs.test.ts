/** What the documents promise by name: a heading for each error, a target for each link. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test, vi } from 'vitest'
import { listReasons, type ReasonArguments, reasonArguments } from './error-reasons.js'
import { listAnchors, listHeadings, listRelativeLinks } from './markdown.js'

// Reads every source of the repository, and more slowly on a busy machine.
vi.setConfig({ testTimeout: 60_000 })

const root = fileURLToPath(new URL('..', import.meta.url))

const read = (path: string): string => readFileSync(join(root, path), 'utf8')

const filesBelow = (folder: string, ending: string): string[] =>
  readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(ending))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .filter((path) => !/(^|\/)(node_modules|dist)\//.test(path))

const errorsPage = read('docs/errors.md')

const pages = [
  'README.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  ...filesBelow('docs', '.md'),
  ...filesBelow('packages', 'README.md'),
  ...filesBelow('examples', 'README.md'),
]

/** The codes are the keys of one object; read as text, so that this needs no build. */
const errorCodes = (): string[] => {
  const [, table = ''] = /const statusByCode = \{(.*?)\} as const/s.exec(
    read('packages/protocol/src/errors.ts'),
  ) as RegExpExecArray
  return [...table.matchAll(/^ {2}([a-z_]+): \d+,$/gm)].map(([, code = '']) => code)
}

const problemOf = (page: string, target: string): string | undefined => {
  const [path = '', anchor] = target.split('#')
  const file = path === '' ? join(root, page) : resolve(root, dirname(page), path)
  if (!existsSync(file)) return `${page}: ${target} is not there`
  if (anchor === undefined) return undefined
  const anchors = listAnchors(readFileSync(file, 'utf8'))
  return anchors.has(anchor) ? undefined : `${page}: ${target} has no such heading`
}

const workspaceOf = (path: string): string => path.split('/').slice(0, 2).join('/')

const sources = [
  ...filesBelow('apps/auth-server/src', '.ts'),
  ...filesBelow('apps/auth-server/src', '.tsx'),
  ...readdirSync(join(root, 'packages')).flatMap((name) =>
    existsSync(join(root, 'packages', name, 'src'))
      ? filesBelow(`packages/${name}/src`, '.ts')
      : [],
  ),
].filter((path) => !path.endsWith('.test.ts'))

/** What the files of a workspace may import from each other. */
const functionsOf = (workspace: string): ReasonArguments =>
  new Map(
    sources
      .filter((path) => workspaceOf(path) === workspace)
      .flatMap((path) => [...reasonArguments(read(path))]),
  )

const reasonsOf = (workspace: string): string[] => {
  const elsewhere = functionsOf(workspace)
  return sources
    .filter((path) => workspaceOf(path) === workspace)
    .flatMap((path) => listReasons(read(path), elsewhere))
}

/** Whole ones stand in code marks. A part of one, from a template, may stand inside a longer one. */
const isExplained = (reason: string): boolean =>
  errorsPage.includes(/^_|_$/.test(reason) ? reason : `\`${reason}\``)

test('every error code has a heading of its own', () => {
  const codes = errorCodes()
  expect(codes).toContain('invalid_scope')
  expect(codes.filter((code) => !listHeadings(errorsPage).includes(code))).toEqual([])
})

test.each([...new Set(sources.map(workspaceOf))])(
  'every error_detail of %s is explained',
  (workspace) => {
    const missing = reasonsOf(workspace).filter((reason) => !isExplained(reason))
    expect([...new Set(missing)].sort()).toEqual([])
  },
)

test('a reason is found where it is written', () => {
  const file = `
    const refuse = (description: string, reason: string) => new OAuthError('x', { reason })
    throw refuse('No.', 'one')
    throw new OAuthError('x', { reason: isOld ? 'two' : 'three' })
    throw new OAuthError('x', { reason: error.reason ?? \`\${name}_four\` })
    throw imported('five')
  `
  const found = listReasons(file, new Map([['imported', 0]]))
  expect(found).toEqual(['one', 'two', 'three', '_four', 'five'])
})

test.each(pages)('%s links to what is there', (page) => {
  const problems = listRelativeLinks(read(page)).map((target) => problemOf(page, target))
  expect(problems.filter((problem) => problem !== undefined)).toEqual([])
})

test('a link to nowhere is seen', () => {
  const links = listRelativeLinks('[a](docs/nothing.md) [b](https://a.example) `[c](d)`')
  expect(links).toEqual(['docs/nothing.md'])
  expect(problemOf('README.md', 'docs/nothing.md')).toBeDefined()
  expect(problemOf('README.md', 'docs/errors.md#nothing')).toBeDefined()
  expect(problemOf('README.md', 'docs/errors.md#invalid_scope')).toBeUndefined()
})
