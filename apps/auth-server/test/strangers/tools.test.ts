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
import { createTokenProxy, serveV1, serveV2 } from './tool-server.js'

/** Node 20 lacks a name that the tool imports. */
const loader =
  'globSync' in fs ? [] : ['--import', new URL('loader/register.mjs', import.meta.url).href]
const conformance = fileOf('@modelcontextprotocol/conformance', 'dist/index.js')
const inspector = fileOf('@modelcontextprotocol/inspector', 'clients/cli/build/index.js')

const folder = mkdtempSync(join(tmpdir(), 'behalf-tools-'))

const generations = { v1: serveV1, v2: serveV2 }
type Generation = keyof typeof generations

interface Place {
  resource: string
  /** The same, for programs that cannot bring a token. */
  open: string
  guard: Guard
  close: () => Promise<void>
}

let server: TestServer
let places: Record<Generation, Place>

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

const serve = async (
  generation: Generation,
  [own, proxy]: Awaited<ReturnType<typeof openPort>>[],
): Promise<Place> => {
  if (!own || !proxy) throw new Error('two ports are needed')
  const resource = `${own.origin}/mcp`
  const guard = protectMcp({
    issuer,
    resource,
    scopes: 'docs:read',
    budget: { clientId: 'docs-server', clientSecret: secretOf('docs-server') },
    fetch: server.fetch,
  })
  own.serve(generations[generation](guard))
  proxy.serve(createTokenProxy(resource, () => token(resource)))
  return {
    resource,
    open: `${proxy.origin}/mcp`,
    guard,
    close: async () => {
      await guard.close()
      await Promise.all([own.close(), proxy.close()])
    },
  }
}

beforeAll(async () => {
  const ports = await Promise.all([openPort(), openPort(), openPort(), openPort()])
  const resources = ports.slice(0, 2).map(({ origin }) => `${origin}/mcp`)
  server = await openTestServer({ config: configFor(resources), clock: realClock() })
  const [one, two, three, four] = ports
  places = { v1: await serve('v1', [one, three]), v2: await serve('v2', [two, four]) }
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

/** What the tool has written down of every scenario. */
const readChecks = (results: string): Check[] =>
  readdirSync(results, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('checks.json'))
    .flatMap((path) => JSON.parse(readFileSync(join(results, path), 'utf8')) as Check[])

const judge = async (url: string, scenario: string, version: string) => {
  const results = mkdtempSync(join(folder, 'results-'))
  const { ended } = startProgram({
    args: [
      ...[...loader, conformance, 'server', '--url', url],
      ...['--scenario', scenario, '--spec-version', version],
      ...['--timeout', '60000', '--output-dir', results],
    ],
    cwd: folder,
  })
  const { code, stdout } = await ended
  const checks = readChecks(results)
  const failed = checks.filter(({ status }) => status === 'FAILURE' || status === 'WARNING')
  return { code, stdout, passed: checks.filter(({ status }) => status === 'SUCCESS'), failed }
}

const always = [
  ...['tools-list', 'tools-call-simple-text', 'tools-call-image', 'tools-call-audio'],
  ...['tools-call-embedded-resource', 'tools-call-mixed-content', 'tools-call-error'],
  'tools-call-with-progress',
]

/** What asks the client in between needs a session, which v2 keeps for nobody by itself. */
const judged: [Generation, string, string[]][] = [
  [
    'v1',
    '2025-11-25',
    [...always, 'tools-call-with-logging', 'tools-call-sampling', 'tools-call-elicitation'],
  ],
  ['v2', '2025-11-25', always],
  ['v2', '2026-07-28', [...always, 'http-header-validation']],
]

describe.each(judged)('%s by the protocol of %s', (generation, version, scenarios) => {
  test.each(scenarios)('passes %s of the conformance tool', async (scenario) => {
    const { code, stdout, passed, failed } = await judge(places[generation].open, scenario, version)
    expect(failed, stdout).toEqual([])
    expect(passed.length, stdout).toBeGreaterThan(0)
    expect(code, stdout).toBe(0)
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
