/** Who may know whom, and what a file may look like. Arrows go one way, and a machine keeps them. */
import { expect, test } from 'vitest'
import { listSources, readSource, type SourceFile } from './source-files.js'

interface Rule {
  /** A sentence that is true of every file. */
  title: string
  /** The files that the rule is about. */
  where: RegExp
  /** Files that it spares. */
  except?: RegExp
  /** What in a file breaks the rule, in words. */
  problems: (file: SourceFile) => string[]
  /** A made-up file that must break it, so that a rule which sees nothing is found out. */
  bites: [path: string, text: string]
}

/** `hono` means the package and its subpaths. A pattern such as `node:*` means all of them. */
const isFrom = (specifier: string, names: readonly string[]): boolean =>
  names.some((name) =>
    name.endsWith('*')
      ? specifier.startsWith(name.slice(0, -1))
      : specifier === name || specifier.startsWith(`${name}/`),
  )

const workspaceOf = (path: string): string => path.split('/').slice(0, 2).join('/')

const isOwn = (file: SourceFile, from: string): boolean =>
  from.startsWith(`${workspaceOf(file.path)}/`)

/** The file imports its own workspace and these, and nothing else. */
const importsOnly =
  (allowed: readonly string[], typesOnly: readonly string[] = []) =>
  (file: SourceFile): string[] =>
    file.imports
      .filter(({ from }) => !isOwn(file, from) && !isFrom(from, allowed))
      .filter(({ from, isTypeOnly }) => !(isTypeOnly && isFrom(from, typesOnly)))
      .map(({ from }) => `imports ${from}`)

const neverImports =
  (...forbidden: string[]) =>
  (file: SourceFile): string[] =>
    file.imports.filter(({ from }) => isFrom(from, forbidden)).map(({ from }) => `imports ${from}`)

const neverSays =
  (...forbidden: string[]) =>
  (file: SourceFile): string[] =>
    forbidden.filter((name) => file.names.has(name)).map((name) => `says ${name}`)

const server = 'apps/auth-server/src'
const siblings = ['@behalf/client', '@behalf/verifier', '@behalf/mcp']
const database = ['drizzle-orm', 'postgres', '@electric-sql/pglite']
const web = ['hono', '@hono/*']
const mcpSdk = '@modelcontextprotocol/*'
const runtime = ['process', 'Buffer', 'require', '__dirname', 'global']

const maxLines = 400

const rules: Rule[] = [
  {
    title: 'protocol imports jose and zod, and nothing else',
    where: /^packages\/protocol\/src\//,
    problems: importsOnly(['jose', 'zod']),
    bites: ['packages/protocol/src/a.ts', "import { readFile } from 'node:fs/promises'"],
  },
  {
    title: 'protocol does no I/O and has no clock',
    where: /^packages\/protocol\/src\//,
    problems: neverSays(...runtime, 'fetch', 'Date', 'performance', 'setTimeout', 'console'),
    bites: ['packages/protocol/src/a.ts', 'export const now = () => Date.now() / 1000'],
  },
  {
    title: 'client imports protocol, jose and zod, and nothing else',
    where: /^packages\/client\/src\//,
    problems: importsOnly(['@behalf/protocol', 'jose', 'zod']),
    bites: ['packages/client/src/a.ts', "export { createVerifier } from '@behalf/verifier'"],
  },
  {
    title:
      'verifier imports protocol, jose and zod, and of a framework its types in its own adapter',
    where: /^packages\/verifier\/src\//,
    problems: (file) => {
      const adapter = /\/src\/(hono|express|fastify)\.ts$/.exec(file.path)?.[1]
      const framework = adapter === undefined ? [] : [adapter]
      return importsOnly(['@behalf/protocol', 'jose', 'zod'], framework)(file)
    },
    bites: ['packages/verifier/src/guards.ts', "import type { Context } from 'hono'"],
  },
  {
    title: 'client and verifier run anywhere, so they use nothing that only Node has',
    where: /^packages\/(client|verifier)\/src\//,
    // It asks whether this is Node, and takes no for an answer.
    except: /^packages\/verifier\/src\/node-signature\.ts$/,
    problems: neverSays(...runtime),
    bites: ['packages/client/src/a.ts', 'export const id = process.env.CLIENT_ID'],
  },
  {
    title: 'mcp imports client, verifier, protocol and the MCP SDK, and nothing else',
    where: /^packages\/mcp\/src\//,
    except: /^packages\/mcp\/src\/(conformance\/|main\.ts$)/,
    problems: importsOnly(['@behalf/client', '@behalf/verifier', '@behalf/protocol', mcpSdk]),
    bites: ['packages/mcp/src/server.ts', "import { Hono } from 'hono'"],
  },
  {
    title: 'what protects an MCP server runs anywhere, so it uses nothing that only Node has',
    where: /^packages\/mcp\/src\//,
    except: /^packages\/mcp\/src\/(conformance\/|main\.ts$)/,
    problems: neverSays(...runtime),
    bites: ['packages/mcp/src/express.ts', "export const body = Buffer.from('x')"],
  },
  {
    title: 'the test kit for MCP servers knows protocol and Node, and none of what it tests',
    where: /^packages\/mcp\/src\/(conformance|main)/,
    problems: importsOnly(['@behalf/protocol', 'node:*']),
    bites: [
      'packages/mcp/src/conformance/run.ts',
      "import { createVerifier } from '@behalf/verifier'",
    ],
  },
  {
    title: 'only mcp and the examples name the MCP SDK',
    where: /^(packages|apps)\//,
    except: /^packages\/mcp\//,
    problems: neverImports(mcpSdk),
    bites: ['packages/client/src/a.ts', "import { Client } from '@modelcontextprotocol/client'"],
  },
  {
    title: 'packages know neither apps nor examples',
    where: /^packages\//,
    problems: neverImports('@behalf/auth-server', '@behalf/example-*', '@behalf/bench'),
    bites: ['packages/client/src/a.ts', "import { createApp } from '@behalf/auth-server'"],
  },
  {
    title: 'the server does not know the SDKs',
    where: /^apps\/auth-server\/src\//,
    problems: neverImports(...siblings),
    bites: [`${server}/app.ts`, "const { createVerifier } = await import('@behalf/verifier')"],
  },
  {
    title: 'in the server only what speaks HTTP knows hono',
    where: /^apps\/auth-server\/src\//,
    except: /^apps\/auth-server\/src\/((app|server|main)\.ts|(endpoints|middleware|views)\/)/,
    problems: neverImports(...web),
    bites: [`${server}/grants/a.ts`, "import type { Context } from 'hono'"],
  },
  {
    title: 'in the server only the store, and main and deps that open it, know the database',
    where: /^apps\/auth-server\/src\//,
    except: /^apps\/auth-server\/src\/((main|deps)\.ts|store\/)/,
    problems: neverImports(...database),
    bites: [`${server}/endpoints/a.ts`, "import { sql } from 'drizzle-orm'"],
  },
  {
    title: 'better-auth is loaded when the first person signs in, and its types are one file away',
    where: /^apps\/auth-server\/src\//,
    except: /^apps\/auth-server\/src\/(people\/auth|store\/people-adapter)\.ts$/,
    problems: (file) => [
      ...neverImports('better-auth', '@better-auth/*')(file),
      ...file.imports
        .filter(({ from }) => from === `${server}/people/auth.js`)
        .filter(({ isTypeOnly }) => !isTypeOnly && !file.text.includes("import('./auth.js')"))
        .map(({ from }) => `imports ${from}`),
    ],
    bites: [`${server}/people/people.ts`, "import { createAuth } from './auth.js'"],
  },
  {
    title: 'the store does not know who asks',
    where: /^apps\/auth-server\/src\/store\//,
    problems: neverImports(`${server}/endpoints`, `${server}/grants`, `${server}/middleware`),
    bites: [`${server}/store/a.ts`, "import { tokenExchange } from '../grants/token-exchange.js'"],
  },
  {
    title: 'a grant decides, and neither speaks HTTP nor answers it',
    where: /^apps\/auth-server\/src\/grants\//,
    problems: neverImports(`${server}/endpoints`, `${server}/middleware`, `${server}/views`),
    bites: [`${server}/grants/a.ts`, "import { noStore } from '../middleware/no-store.js'"],
  },
  {
    title: 'nobody imports main',
    where: /./,
    problems: (file) =>
      file.imports
        .filter(({ from }) => /^[^/]+\/[^/]+\/src\/main\.js$/.test(from))
        .map(({ from }) => `imports ${from}`),
    bites: [`${server}/app.ts`, "import { start } from './main.js'"],
  },
  {
    title: 'the environment is read in main only',
    where: /./,
    except: /\/src\/main\.ts$/,
    problems: neverSays('process.env'),
    bites: [`${server}/config.ts`, 'export const port = Number(process.env.PORT)'],
  },
  {
    title: 'workspaces meet at their public entries, never in a src or dist folder',
    where: /./,
    problems: (file) =>
      file.imports
        .filter(
          ({ from }) =>
            /^@behalf\/[^/]+\/(src|dist)(\/|$)/.test(from) ||
            (/^(packages|apps|examples|bench|\.\.)\//.test(from) && !isOwn(file, from)),
        )
        .map(({ from }) => `imports ${from}`),
    bites: [
      `${server}/app.ts`,
      "import { narrow } from '../../../packages/protocol/src/narrow.js'",
    ],
  },
  {
    title: 'no amount is ever a float: money is bigint, parsed from its text and printed to it',
    where: /^(packages|apps)\//,
    problems: ({ text }) =>
      text.match(/\b(parseFloat|toFixed|toPrecision|1e6|1_?000_?000)\b/g) ?? [],
    bites: ['packages/client/src/a.ts', 'export const usd = (micros: number) => micros / 1e6'],
  },
  {
    title: 'no file is called after being useful',
    where: /./,
    problems: ({ path }) =>
      /\/(utils?|helpers?|common|misc|types)(\/|\.tsx?$)/.test(path) ? ['has such a name'] : [],
    bites: ['packages/client/src/utils/a.ts', ''],
  },
  {
    title: 'names are exported one by one',
    where: /./,
    problems: ({ exportsAll }) => (exportsAll ? ['has export *'] : []),
    bites: ['packages/client/src/index.ts', "export * from './agent.js'"],
  },
  {
    title: 'exports have names',
    where: /./,
    except: /\.config\.ts$/,
    problems: ({ exportsDefault }) => (exportsDefault ? ['has a default export'] : []),
    bites: ['packages/client/src/a.ts', 'export default function createAgent() {}'],
  },
  {
    title: `a file has ${maxLines} lines at most`,
    where: /./,
    problems: ({ lines }) => (lines > maxLines ? [`has ${lines} lines`] : []),
    bites: ['packages/client/src/a.ts', '\n'.repeat(maxLines + 1)],
  },
]

const offences = ({ where, except, problems }: Rule, files: readonly SourceFile[]): string[] =>
  files
    .filter(({ path }) => where.test(path) && !except?.test(path))
    .flatMap((file) => problems(file).map((problem) => `${file.path} ${problem}`))

const sources = listSources()

test('there are sources to look at', () => {
  expect(sources.map(({ path }) => path)).toContain('packages/protocol/src/index.ts')
})

test.each(rules.map((rule) => [rule.title, rule] as const))('%s', (_, rule) => {
  expect(offences(rule, [readSource(...rule.bites)])).not.toEqual([])
  expect(offences(rule, sources)).toEqual([])
})

test('every way to import is seen, and what only looks like one is not', () => {
  const text = `
    import a from 'one'
    import 'two'
    import type { B } from 'three'
    export { c } from 'four'
    const d = await import('five')
    type E = import('six').E
    // import f from 'seven'
    const g = "import g from 'eight'"
  `
  const { imports } = readSource('packages/client/src/a.ts', text)
  expect(imports.map(({ from }) => from)).toEqual(['one', 'two', 'three', 'four', 'five', 'six'])
})
