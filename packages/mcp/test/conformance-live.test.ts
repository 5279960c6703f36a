/** The test kit without the keys of the issuer: a live authorization server, and tokens in hand. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createSocketSend } from '../src/conformance/http.js'
import { tokensByClientCredentials } from '../src/conformance/token-source.js'
import { type Report, runConformance, tokensFrom } from '../src/conformance.js'
import { protectMcp } from '../src/server.js'
import { secretOf } from './auth-server.js'
import { createWorld, optionsFor, type World } from './world.js'

let world: World
beforeAll(async () => {
  world = await createWorld({ crowd: 1 })
}, 30_000)
afterAll(() => world.stop())

const tool = { name: 'publish', scope: 'docs:write' }

const statusOf = ({ results }: Report, id: string) => results.find((one) => one.id === id)?.status

const problems = ({ results }: Report) => results.filter(({ status }) => status === 'failed')

test('a token in hand is enough for all that can be forged from it', async () => {
  const url = world.url('v1')
  const report = await runConformance({ url, tool, tokens: await world.auth.token('agent-0', url) })
  expect(problems(report)).toEqual([])
  expect(report.issuer).toBe(world.auth.issuer)
  for (const id of ['alg-none-401', 'hs256-with-public-key-401', 'embedded-key-401']) {
    expect(statusOf(report, id)).toBe('passed')
  }
  for (const id of ['expired-401', 'wrong-iss-401', 'revoked-401', 'unknown-kid-one-refetch']) {
    expect(report.results.find((one) => one.id === id)).toMatchObject({
      status: 'skipped',
      seen: expect.stringContaining('--test-issuer'),
    })
  }
})

test('tokens that are given let the checks run that need them', async () => {
  const url = world.url('v1')
  const fired = await world.auth.token('fired', url)
  await world.auth.revoke('fired', fired)
  const tokens = tokensFrom(() => world.auth.token('agent-0', url), {
    wrongAudience: () => world.auth.token('agent-0', world.url('v2')),
    insufficientScope: await world.auth.token('reader', url),
    revoked: fired,
  })
  const report = await runConformance({ url, tokens, tool })
  expect(problems(report)).toEqual([])
  for (const id of ['wrong-aud-401', 'per-tool-403', 'revoked-401']) {
    expect(statusOf(report, id)).toBe('passed')
  }
})

test('a token that was given as a bad one and is a good one is told', async () => {
  const url = world.url('v1')
  const good = await world.auth.token('agent-0', url)
  const bad = { expired: good, wrongAudience: good, revoked: good, insufficientScope: good }
  const only = ['expired-401', 'wrong-aud-401', 'revoked-401', 'per-tool-403']
  const report = await runConformance({ url, tokens: tokensFrom(good, bad), tool, only })
  expect(report.failed).toBe(4)
})

test('client credentials bring a token for another audience too', async () => {
  const tokens = tokensByClientCredentials(
    {
      issuer: world.auth.issuer,
      clientId: 'agent-0',
      clientSecret: secretOf('agent-0'),
    },
    createSocketSend(5000),
  )
  const report = await runConformance({ url: world.url('v2x'), tokens, tool })
  expect(problems(report)).toEqual([])
  expect(statusOf(report, 'wrong-aud-401')).toBe('passed')
})

test('credentials that are refused are a failure of the first check, and of the run', async () => {
  const credentials = { issuer: world.auth.issuer, clientId: 'agent-0', clientSecret: 'wrong' }
  const tokens = tokensByClientCredentials(credentials, createSocketSend(5000))
  const report = await runConformance({ url: world.url('v1'), tokens })
  const first = report.results.find(({ id }) => id === 'good-token-200')
  expect(first).toMatchObject({ status: 'failed', seen: expect.stringContaining('invalid_client') })
  expect(JSON.stringify(report)).not.toContain('wrong"')
})

test('a handler in this process needs no port', async () => {
  const resource = 'https://mcp.example/mcp'
  const guard = protectMcp({ ...optionsFor(world.auth.issuer, resource), budget: undefined })
  const handle = guard.fetch(() => new Response('{}'))
  const report = await runConformance({
    url: resource,
    tokens: 'no token at all',
    only: ['no-token-401', 'alg-none-401', 'two-authorization-headers', 'prm-issuer-exact'],
    fetch: (url, init) =>
      new URL(url).origin === new URL(resource).origin
        ? handle(new Request(url, init))
        : fetch(url, init),
  })
  expect(report.results.map(({ id, status }) => [id, status])).toEqual([
    ['no-token-401', 'passed'],
    ['two-authorization-headers', 'skipped'],
    ['prm-issuer-exact', 'passed'],
    ['alg-none-401', 'passed'],
  ])
  await guard.close()
})

test('a server that never answers does not hold the run up', async () => {
  let now = 0
  const report = await runConformance({
    url: 'http://127.0.0.1:9/mcp',
    tokens: 'x',
    now: () => now,
    deadlineSeconds: 10,
    fetch: () => {
      now += 5000
      throw new TypeError('no route')
    },
  })
  expect(report.requests).toBeLessThan(10)
  expect(report.results.at(-1)).toMatchObject({
    status: 'failed',
    seen: 'not run: the time was up',
  })
})

test('what could never work is said at once', async () => {
  const run = (options: object) =>
    runConformance({ url: 'http://a.example/', tokens: 'x', ...options })
  await expect(run({ url: 'mcp' })).rejects.toThrow(TypeError)
  await expect(run({ only: ['nothing'] })).rejects.toThrow('no check called nothing')
  await expect(run({ skip: ['nothing'] })).rejects.toThrow(TypeError)
})
