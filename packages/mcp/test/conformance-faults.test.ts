/** One fault at a time: the check that is for it goes red, and is green without it. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { checks, type Report, runConformance } from '../src/conformance.js'
import { type Asked, type Fault, openStub, type Said, type Stub } from './conformance-stub.js'

const optionsFor = ({ url, issuer, upstreamPort }: Stub) => ({
  url,
  tokens: issuer,
  tool: { name: 'publish', scope: 'docs:write' },
  upstream: { tool: 'forward', port: upstreamPort },
  revocationSeconds: 3,
})

const claimed =
  (is: (claims: Record<string, unknown>) => boolean) =>
  ({ token }: Asked): boolean =>
    token !== undefined && is({ ...token.claims })

const headed =
  (is: (header: Record<string, unknown>) => boolean) =>
  ({ token }: Asked): boolean =>
    token !== undefined && is({ ...token.header })

const challenged =
  (change: (challenge: string) => string | undefined) =>
  ({ headers }: Said): Partial<Said> => {
    const { 'www-authenticate': challenge, ...others } = headers
    const changed = challenge === undefined ? undefined : change(challenge)
    return { headers: changed === undefined ? others : { ...others, 'www-authenticate': changed } }
  }

const documented =
  (change: (document: Record<string, unknown>) => Record<string, unknown>) =>
  ({ status, body }: Said, { path }: Asked): Partial<Said> =>
    status === 200 && path.startsWith('/.well-known/')
      ? { body: JSON.stringify(change(JSON.parse(body))) }
      : {}

const isWellKnown = ({ path }: Asked): boolean => path.startsWith('/.well-known/')
const isMethod = (name: string) => (asked: Asked) =>
  asked.message.method === name && asked.authorizations.length === 0
const isOver = (now: number) => (claims: Record<string, unknown>) =>
  typeof claims.exp === 'number' && claims.exp < now

const whenSo =
  (is: (asked: Asked) => boolean, said: Partial<Said>) =>
  (asked: Asked): Partial<Said> | undefined =>
    is(asked) ? said : undefined

const depthOf = (act: unknown): number =>
  typeof act === 'object' && act !== null ? 1 + depthOf((act as { act?: unknown }).act) : 0

const ok = { status: 200, body: '{}' }

/** As a server without a cache does it. */
const fetchKeys = async ({ issuer }: Asked): Promise<undefined> => {
  await (await fetch(`${issuer}/jwks`)).text()
}

const faults: readonly (readonly [id: string, name: string, fault: Fault])[] = [
  [
    'good-token-200',
    'lets nobody in',
    { answers: whenSo((a) => !isWellKnown(a), { status: 401 }) },
  ],
  [
    'scheme-any-case',
    'reads one spelling of the scheme',
    { answers: whenSo(({ authorizations: [one] }) => /^bEARER/.test(one ?? ''), { status: 401 }) },
  ],
  ['no-token-401', 'lists its tools to anybody', { answers: whenSo(isMethod('tools/list'), ok) }],
  [
    'no-token-401',
    'sends strangers elsewhere',
    { answers: whenSo(isMethod('ping'), { status: 302 }) },
  ],
  [
    'every-method-guarded',
    'opens its stream to anybody',
    {
      answers: whenSo(({ method, path }) => method === 'GET' && path === '/mcp', {
        headers: { 'content-type': 'text/event-stream' },
      }),
    },
  ],
  [
    'malformed-401',
    'fails on a header without a token',
    { answers: whenSo(({ authorizations: [one] }) => one === 'Bearer', { status: 500 }) },
  ],
  [
    'header-too-large',
    'fails on a long token',
    { answers: whenSo(({ authorizations: [one = ''] }) => one.length > 10_000, { status: 500 }) },
  ],
  ['two-authorization-headers', 'takes the first of two', { lacks: ['two headers'] }],
  [
    'query-token-401',
    'reads the URL',
    { admits: ({ url }) => url.searchParams.has('access_token') },
  ],
  ['query-token-401', 'reads cookies', { admits: ({ header }) => header('cookie') !== undefined }],
  [
    'query-token-401',
    'reads forms',
    {
      admits: ({ body }) => body.startsWith('access_token='),
      changes: ({ status }) => ({ status: status === 404 ? 200 : status }),
    },
  ],
  ['origin-403', 'looks at no Origin', { admits: ({ header }) => header('origin') !== undefined }],
  ['host-checked', 'looks at no Host', { lacks: ['host'] }],
  ['challenge-present', 'challenges nobody', { changes: challenged(() => undefined) }],
  ['challenge-present', 'asks for a password', { changes: challenged(() => 'Basic realm="x"') }],
  [
    'challenge-resource-metadata-absolute-url',
    'names a path',
    { changes: challenged((text) => text.replace(/"http:\/\/[^/]*/, '"')) },
  ],
  [
    'challenge-resource-metadata-absolute-url',
    'names what is not there',
    { changes: challenged((text) => text.replace('.well-known/', '.well-known/x')) },
  ],
  [
    'challenge-scope',
    'names no scope',
    { changes: challenged((text) => text.replace('scope=', 'x=')) },
  ],
  [
    'challenge-without-error',
    'speaks of an error where no token was',
    { changes: challenged((text) => text.replace('Bearer ', 'Bearer error="invalid_token", ')) },
  ],
  [
    'challenge-invalid-token',
    'has an error code of its own',
    { changes: challenged((text) => text.replace('invalid_token', 'bad_token')) },
  ],
  [
    'challenge-invalid-token',
    'answers a bad token by 403',
    { changes: ({ status }) => ({ status: status === 401 ? 403 : status }) },
  ],
  [
    'cors-exposes-www-authenticate',
    'hides its challenge from pages',
    {
      changes: ({ headers: { 'access-control-expose-headers': _, ...headers } }) => ({ headers }),
    },
  ],
  [
    'prm-path-aware',
    'has its document at the root alone',
    { answers: whenSo(({ path }) => /protected-resource\/mcp$/.test(path), { status: 404 }) },
  ],
  [
    'prm-root',
    'has no document at the root',
    { answers: whenSo(({ path }) => /protected-resource$/.test(path), { status: 404 }) },
  ],
  [
    'prm-resource-equals-url',
    'names its origin',
    { changes: documented((it) => ({ ...it, resource: new URL(String(it.resource)).origin })) },
  ],
  [
    'prm-resource-equals-url',
    'adds a slash',
    { changes: documented((it) => ({ ...it, resource: `${it.resource}/` })) },
  ],
  [
    'prm-issuer-exact',
    'writes its issuer with a slash',
    {
      changes: documented((it) => ({
        ...it,
        authorization_servers: [`${[it.authorization_servers].flat()[0]}/`],
      })),
    },
  ],
  [
    'prm-issuer-exact',
    'names no issuer',
    { changes: documented((it) => ({ ...it, authorization_servers: [] })) },
  ],
  [
    'prm-no-offline-access',
    'lists offline_access',
    { changes: documented((it) => ({ ...it, scopes_supported: ['a', 'offline_access'] })) },
  ],
  [
    'prm-no-wildcard-scope',
    'lists a wildcard',
    { changes: documented((it) => ({ ...it, scopes_supported: ['docs:*'] })) },
  ],
  [
    'prm-bearer-methods',
    'offers the query',
    { changes: documented((it) => ({ ...it, bearer_methods_supported: ['header', 'query'] })) },
  ],
  [
    'prm-cors',
    'keeps its document from pages',
    {
      changes: ({ headers: { 'access-control-allow-origin': _, ...headers } }) => ({ headers }),
    },
  ],
  [
    'prm-cors',
    'answers no preflight',
    { answers: whenSo(({ method }) => method === 'OPTIONS', { status: 401 }) },
  ],
  [
    'prm-ignores-forwarded-host',
    'believes X-Forwarded-Host',
    {
      changes: documented((it) => it),
      answers: ({ header, path }) =>
        path.startsWith('/.well-known/') && header('x-forwarded-host')
          ? { body: JSON.stringify({ resource: `https://${header('x-forwarded-host')}/mcp` }) }
          : undefined,
    },
  ],
  [
    'prm-ignores-forwarded-host',
    'believes Host',
    {
      answers: ({ header, path }) =>
        path.startsWith('/.well-known/')
          ? { body: JSON.stringify({ resource: `https://${header('host')}/mcp` }) }
          : undefined,
    },
  ],
  ['alg-none-401', 'takes "none"', { admits: headed(({ alg }) => alg === 'none') }],
  ['alg-none-401', 'takes "nOnE"', { admits: headed(({ alg }) => alg === 'nOnE') }],
  ['hs256-with-public-key-401', 'takes any HMAC', { admits: headed(({ alg }) => alg === 'HS256') }],
  ['changed-payload-401', 'only decodes', { admits: claimed(({ sub }) => sub === 'admin') }],
  ['bad-signature-401', 'misses no signature', { admits: ({ token }) => token?.signature === '' }],
  ['embedded-key-401', 'believes jwk', { admits: headed(({ jwk }) => jwk !== undefined) }],
  ['embedded-key-401', 'believes jku', { admits: headed(({ jku }) => jku !== undefined) }],
  [
    'unknown-kid-one-refetch',
    'fetches keys for every token',
    { answers: (asked) => (isWellKnown(asked) ? undefined : fetchKeys(asked)) },
  ],
  [
    'unknown-kid-one-refetch',
    'takes any key',
    { admits: headed(({ kid }) => String(kid).startsWith('unknown')) },
  ],
  [
    'one-spelling-401',
    'takes padding',
    { admits: ({ authorizations: [a = ''] }) => a.endsWith('==') },
  ],
  ['expired-401', 'has no clock', { admits: claimed(isOver(Date.now() / 1000)) }],
  ['missing-exp-401', 'needs no end', { admits: claimed(({ exp }) => exp === undefined) }],
  ['missing-exp-401', 'takes text', { admits: claimed(({ exp }) => typeof exp === 'string') }],
  ['not-before-401', 'knows no nbf', { admits: claimed(({ nbf }) => nbf !== undefined) }],
  [
    'wrong-aud-401',
    'takes tokens of its neighbours',
    { admits: claimed(({ aud }) => aud === 'https://other.example/mcp') },
  ],
  ['wrong-aud-401', 'takes tokens for nobody', { admits: claimed(({ aud }) => aud === undefined) }],
  [
    'wrong-aud-401',
    'compares beginnings',
    { admits: claimed(({ aud }) => /mcpx$/.test(String(aud))) },
  ],
  ['wrong-iss-401', 'knows no iss', { admits: claimed(({ iss }) => iss === undefined) }],
  [
    'wrong-iss-401',
    'forgives a slash',
    { admits: claimed(({ iss }) => String(iss).endsWith('/')) },
  ],
  ['other-jwt-type-401', 'knows no typ', { admits: headed(({ typ }) => typ === 'logout+jwt') }],
  ['unknown-crit-401', 'knows no crit', { admits: headed(({ crit }) => crit !== undefined) }],
  [
    'insufficient-scope-403-with-scope',
    'names no scope in its 403',
    {
      changes: challenged((text) =>
        text.replace(/insufficient_scope", scope=/, 'insufficient_scope", x='),
      ),
    },
  ],
  [
    'insufficient-scope-403-with-scope',
    'answers 401 instead',
    { changes: ({ status }) => ({ status: status === 403 ? 401 : status }) },
  ],
  ['per-tool-403', 'runs tools for anybody', { lacks: ['tool scope'] }],
  [
    'per-tool-403',
    'names another scope',
    { changes: challenged((text) => text.replace('scope="docs:write"', 'scope="docs:read"')) },
  ],
  ['scope-whole-words', 'compares parts of words', { lacks: ['whole words'] }],
  [
    'session-without-token-401',
    'lets a session in',
    {
      admits: ({ header, authorizations }) =>
        authorizations.length === 0 && header('mcp-session-id') !== undefined,
      lacks: ['session owner'],
    },
  ],
  ['session-of-another-caller', 'forgets whose it is', { lacks: ['session owner'] }],
  ['act-chain-too-deep', 'reads any depth', { admits: claimed(({ act }) => depthOf(act) > 30) }],
  ['malformed-act-401', 'takes any act', { admits: claimed(({ act }) => typeof act === 'string') }],
  [
    'unknown-limit-denied',
    'passes over limits',
    { admits: claimed(({ agent_limits: limits }) => 'moons_per_year' in Object(limits)) },
  ],
  [
    'limits-exceeded-denial',
    'counts nothing',
    { admits: claimed(({ agent_limits: limits }) => limits !== undefined) },
  ],
  [
    'limits-exceeded-denial',
    'answers a limit by 403',
    { changes: ({ status }) => ({ status: status === 429 ? 403 : status }) },
  ],
  ['revoked-401', 'hears of nothing', { revocation: 'off' }],
  ['no-token-passthrough', 'sends the token on', { forwardsToken: true }],
  [
    'dpop-bearer-downgrade-401',
    'forgets who a token is bound to',
    {
      admits: claimed(({ cnf }) => cnf !== undefined),
      changes: documented((it) => ({ ...it, dpop_signing_alg_values_supported: ['ES256'] })),
    },
  ],
  [
    'error-500-never-for-bad-token',
    'fails on an odd kid',
    {
      answers: whenSo(
        headed(({ kid }) => typeof kid === 'object'),
        { status: 500 },
      ),
    },
  ],
  [
    'token-not-echoed',
    'repeats the token',
    {
      changes: ({ status }, { authorizations }) =>
        status === 401 ? { body: authorizations.join() } : {},
    },
  ],
]

const resultOf = ({ results }: Report, id: string) => {
  const result = results.find((one) => one.id === id)
  if (!result) throw new Error(`no ${id}`)
  return result
}

describe('a server that does it right', () => {
  let stub: Stub
  let report: Report
  beforeAll(async () => {
    stub = await openStub()
    report = await runConformance(optionsFor(stub))
  }, 30_000)
  afterAll(() => stub.close())

  test('passes all but what it does not have', () => {
    const others = report.results.filter(({ status }) => status !== 'passed')
    expect(others.map(({ id, status, seen }) => [id, status, seen])).toEqual(
      ['bearer-downgrade', 'bad-ath', 'bad-htu', 'bad-htm', 'bad-replay'].map((name) => [
        `dpop-${name}-401`,
        'skipped',
        'the server does not advertise DPoP',
      ]),
    )
  })

  test('is asked a bounded number of times', () => {
    expect(report.requests).toBeLessThan(250)
  })
})

test.each(faults)('%s goes red for a server that %s', async (id, _, fault) => {
  const stub = await openStub(fault)
  try {
    const report = await runConformance({ ...optionsFor(stub), only: [id] })
    expect(resultOf(report, id)).toMatchObject({
      status: 'failed',
      fix: expect.stringMatching(/\S/),
    })
    expect(report.failed).toBe(1)
  } finally {
    await stub.close()
  }
})

test('https goes red for a server that is reached in the clear', async () => {
  const report = await runConformance({
    url: 'http://mcp.example/mcp',
    tokens: 'x',
    only: ['https'],
    fetch: () => new Response(null, { status: 401 }),
  })
  expect(resultOf(report, 'https').status).toBe('failed')
})

test('every check can go red', () => {
  // Those of proofs cannot: the kit makes none, and says so.
  const red = new Set(['https', ...faults.map(([id]) => id)])
  const never = checks.map(({ id }) => id).filter((id) => !red.has(id))
  expect(never).toEqual(['ath', 'htu', 'htm', 'replay'].map((name) => `dpop-bad-${name}-401`))
})
