/** Strangers who judge MCP servers, at tools that are guarded and paid: the conformance tool and Inspector. */
import * as fs from 'node:fs'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Guard, protectMcp } from '@behalf/mcp/server'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  agent,
  issuer,
  openTestServer,
  resourceServer,
  secretOf,
  type TestServer,
} from '../harness.js'
import { openPort, realClock } from './place.js'
import { endPrograms, fileOf, startProgram } from './program.js'
import { createTokenProxy, type Kind, kinds, serveBare, serveGuarded } from './tool-server.js'

/** Node 20 lacks a name that the tool imports. */
const loader =
  'globSync' in fs ? [] : ['--import', new URL('loader/register.mjs', import.meta.url).href]
const conformance = fileOf('@modelcontextprotocol/conformance', 'dist/index.js')
const inspector = fileOf('@modelcontextprotocol/inspector', 'clients/cli/build/index.js')

const folder = mkdtempSync(join(tmpdir(), 'behalf-tools-'))

interface Place {
  resource: string
  /** The same, for programs that cannot bring a token. */
  open: string
  /** The same tools without the guard. */
  bare: string
  guard: Guard
  close: () => Promise<void>
}

let server: TestServer
let places: Record<Kind, Place>

const token = async (resource: string): Promise<string> =>
  (await server.clientCredentials('stranger', { resource })).body.access_token

const configFor = (resources: string[]) => ({
  tenants: [{ tenant_id: 'acme' }],
  resources: resources.map((resource) => ({
    resource,
    tenant_id: 'acme',
    scopes_supported: ['docs:read'],
    client_id: 'docs-server',
  })),
  clients: [agent('stranger', { scope: 'docs:read', resources }), resourceServer('docs-server')],
})

type Port = Awaited<ReturnType<typeof openPort>>

const serve = (kind: Kind, { own, proxy, bare }: Record<'own' | 'proxy' | 'bare', Port>): Place => {
  const resource = `${own.origin}/mcp`
  const guard = protectMcp({
    issuer,
    resource,
    scopes: 'docs:read',
    budget: { clientId: 'docs-server', clientSecret: secretOf('docs-server') },
    fetch: server.fetch,
  })
  own.serve(serveGuarded(kind, guard))
  proxy.serve(createTokenProxy(resource, () => token(resource)))
  bare.serve(serveBare(kind))
  return {
    resource,
    open: `${proxy.origin}/mcp`,
    bare: `${bare.origin}/mcp`,
    guard,
    close: async () => {
      await guard.close()
      await Promise.all([own, proxy, bare].map(({ close }) => close()))
    },
  }
}

const openPorts = async () => {
  const [own, proxy, bare] = await Promise.all([openPort(), openPort(), openPort()])
  return { own, proxy, bare }
}

beforeAll(async () => {
  const ports = {
    v1: await openPorts(),
    v2: await openPorts(),
    'v2 without sessions': await openPorts(),
  }
  const resources = Object.values(ports).map(({ own }) => `${own.origin}/mcp`)
  server = await openTestServer({ config: configFor(resources), clock: realClock() })
  places = {
    v1: serve('v1', ports.v1),
    v2: serve('v2', ports.v2),
    'v2 without sessions': serve('v2 without sessions', ports['v2 without sessions']),
  }
})
afterAll(async () => {
  await endPrograms()
  await Promise.all(Object.values(places).map(({ close }) => close()))
  await server.close()
  rmSync(folder, { recursive: true, force: true })
})

interface Check {
  id: string
  status: string
  errorMessage?: string
}

type Checks = readonly Check[]

/** What the tool has written down, by scenario: `server-<scenario>-<time>/checks.json`. */
const readResults = (results: string): Map<string, Checks> =>
  new Map(
    readdirSync(results).map((name) => [
      name.replace(/^server-/, '').replace(/-\d{4}-\d\d-\d\dT.*$/, ''),
      JSON.parse(readFileSync(join(results, name, 'checks.json'), 'utf8')) as Check[],
    ]),
  )

const runTool = async (...args: string[]) => {
  const { ended } = startProgram({ args: [...loader, conformance, ...args], cwd: folder })
  return ended
}

/** Long enough for a busy machine, and waited for in vain where nobody can answer. */
const timeout = ['--timeout', '15000']

const judge = async (url: string, ...args: string[]): Promise<Map<string, Checks>> => {
  const results = mkdtempSync(join(folder, 'results-'))
  await runTool('server', '--url', url, ...args, ...timeout, '--output-dir', results)
  return readResults(results)
}

/** Every scenario of that version at once: to start the tool takes longer than to run one. */
const judgeAll = (url: string, version: string) =>
  judge(url, '--suite', 'all', '--spec-version', version)

/** Of a version that it is not of. */
const judgeForced = async (url: string, scenario: string, version: string) => {
  const found = await judge(url, '--scenario', scenario, '--spec-version', version, '--force')
  return found.get(scenario)
}

const failedIn = (checks: Checks = []) =>
  checks.filter(({ status }) => status === 'FAILURE' || status === 'WARNING')

const passedIn = (checks: Checks = []) => checks.filter(({ status }) => status === 'SUCCESS')

/** What the guard adds to the answer of a tool that is paid. The tool quotes answers it dislikes. */
const receipt = /"_meta":\{"dev\.behalf\/agent-budget":\{[^}]*\}\},?/g

/** What has come out, without where it was and what it cost. */
const outcome = (checks: Checks | undefined, url: string) =>
  checks?.map(({ id, status, errorMessage }) => [
    id,
    status,
    errorMessage?.replaceAll(new URL(url).origin, 'ORIGIN').replaceAll(receipt, ''),
  ])

const versions = ['2025-11-25', '2026-07-28'] as const
type Version = (typeof versions)[number]

const common = [
  ...['tools-list', 'tools-call-simple-text', 'tools-call-image', 'tools-call-audio'],
  ...['tools-call-embedded-resource', 'tools-call-mixed-content', 'tools-call-error'],
  'tools-call-with-progress',
]
/** These ask or tell the client by a way that the later version has no more. */
const untilStateless = ['tools-call-with-logging', 'tools-call-sampling', 'tools-call-elicitation']
const sinceStateless = ['http-header-validation']
/** This check is of the guard's business, and passes because of it. */
const ofGuard = 'localhost-host-rebinding-rejected'
const all = [...common, ...untilStateless, ...sinceStateless]

const listed: Record<Version, readonly string[]> = {
  '2025-11-25': [...common, ...untilStateless],
  '2026-07-28': [...common, ...sinceStateless],
}

test.each(versions)(
  'the conformance tool has no other scenario of tools in %s',
  async (version) => {
    const { stdout } = await runTool('list', '--server', '--spec-version', version)
    const names = [...stdout.matchAll(/^ {2}- (\S+) \[/gm)].map(([, name = '']) => name)
    const ofTools = names.filter((name) => /^tools-|^http-header-validation$/.test(name))
    expect(ofTools.sort()).toEqual([...listed[version]].sort())
  },
)

/** What the SDK cannot do by itself in that version, whoever guards it. */
const lacking: Record<Kind, Record<Version, readonly string[]>> = {
  v1: { '2025-11-25': [], '2026-07-28': listed['2026-07-28'] },
  v2: { '2025-11-25': [], '2026-07-28': [] },
  // Nobody is there any more whom a question could be put to.
  'v2 without sessions': {
    '2025-11-25': ['tools-call-sampling', 'tools-call-elicitation'],
    '2026-07-28': [],
  },
}

const pairs = (Object.keys(kinds) as Kind[]).flatMap((kind) =>
  versions.map((version) => [kind, version] as const),
)

describe.each(pairs)('%s by the protocol of %s', (kind, version) => {
  const missing = lacking[kind][version]
  let guarded: Map<string, Checks>
  let bare: Map<string, Checks>
  beforeAll(async () => {
    const { open, bare: url } = places[kind]
    const both = await Promise.all([judgeAll(open, version), judgeAll(url, version)])
    ;[guarded, bare] = both
  })

  const able = listed[version].filter((scenario) => !missing.includes(scenario))
  test.for(able)('passes %s of the conformance tool', (scenario) => {
    expect(failedIn(guarded.get(scenario))).toEqual([])
    expect(passedIn(guarded.get(scenario)).length).toBeGreaterThan(0)
  })

  test.for(missing)('fails %s as it does without the guard, since the SDK lacks it', (scenario) => {
    const { open, bare: url } = places[kind]
    expect(failedIn(bare.get(scenario)).length).toBeGreaterThan(0)
    expect(outcome(guarded.get(scenario), open)).toEqual(outcome(bare.get(scenario), url))
  })

  // Once for each SDK: by the way of the other version, it is the same server with sessions or without.
  const isOnce = kind !== 'v2 without sessions'
  const foreign = all.filter((scenario) => isOnce && !listed[version].includes(scenario))
  test.for(foreign)(
    'ends %s, which is not of this version, as it does without the guard',
    async (scenario) => {
      const { open, bare: url } = places[kind]
      const [ours, theirs] = await Promise.all([
        judgeForced(open, scenario, version),
        judgeForced(url, scenario, version),
      ])
      expect(theirs?.length).toBeGreaterThan(0)
      expect(outcome(ours, open)).toEqual(outcome(theirs, url))
    },
  )

  test('ends every other scenario as it does without the guard, but keeps out foreign pages', () => {
    const { open, bare: url } = places[kind]
    const outcomes = (found: typeof bare, at: string) =>
      [...found]
        .map(([scenario, checks]) => [
          scenario,
          outcome(
            checks.filter(({ id }) => id !== ofGuard),
            at,
          ),
        ])
        .sort()
    expect(outcomes(guarded, open)).toEqual(outcomes(bare, url))
    const keptOut = [bare, guarded].map(
      (found) => [...found.values()].flat().find(({ id }) => id === ofGuard)?.status,
    )
    expect(keptOut).toEqual([
      kind === 'v1' && version === '2026-07-28' ? 'SUCCESS' : 'FAILURE',
      'SUCCESS',
    ])
  })
})

describe.each(['v1', 'v2'] as const)('Inspector at %s', (generation) => {
  const inspect = async (authorization: string, ...args: string[]) => {
    const { ended } = startProgram({
      args: [
        ...[inspector, places[generation].resource, '--transport', 'http', '--format', 'json'],
        ...['--header', `Authorization: Bearer ${authorization}`, ...args],
      ],
      cwd: folder,
      env: { HOME: folder, MCP_INSPECTOR_SECRET_STORE: 'file', MCP_AUTO_OPEN_ENABLED: 'false' },
    })
    return ended
  }

  test('lists the tools and calls one', async () => {
    const good = await token(places[generation].resource)
    const list = await inspect(good, '--method', 'tools/list')
    expect(list.code, list.stderr).toBe(0)
    expect(list.stdout).toContain('test_simple_text')
    const name = ['--tool-name', 'test_simple_text']
    const call = await inspect(good, '--method', 'tools/call', ...name)
    expect(call.code, call.stderr).toBe(0)
    expect(call.stdout).toContain('This is a simple text response for testing.')
    expect(call.stdout).toContain('dev.behalf/agent-budget')
  })

  test('is kept out without a good token', async () => {
    const list = await inspect('nonsense', '--method', 'tools/list')
    expect(list.code).not.toBe(0)
    expect(list.stdout).not.toContain('test_simple_text')
  })
})
