/** An authorization server in a function: it signs, publishes, and misbehaves when it is told to. */
import { encodeBase64url, type SigningAlgorithm } from '@behalf/protocol'
import { exportJWK, generateKeyPair, type JWK } from 'jose'
import { createVerifier, type Verifier, type VerifierOptions } from '../src/index.js'

export const issuerUrl = 'https://auth.example'
export const audience = 'https://mcp.example/mcp'
export const startSeconds = 1_800_000_000

export interface TestKey {
  kid: string
  alg: SigningAlgorithm
  privateKey: CryptoKey
  jwk: JWK
}

export const makeKey = async (kid: string, alg: SigningAlgorithm = 'ES256'): Promise<TestKey> => {
  const pair = await generateKeyPair(alg, { extractable: true })
  const jwk = { ...(await exportJWK(pair.publicKey)), kid, alg, use: 'sig' }
  return { kid, alg, privateKey: pair.privateKey, jwk }
}

const parameters = {
  ES256: { name: 'ECDSA', hash: 'SHA-256' },
  EdDSA: { name: 'Ed25519' },
  RS256: { name: 'RSASSA-PKCS1-v1_5' },
} as const

export const encode = (value: unknown): string =>
  encodeBase64url(
    new TextEncoder().encode(typeof value === 'string' ? value : JSON.stringify(value)),
  )

/** Signs any header and payload as they are: text goes in as text, so malformed JSON can be signed. */
export const signRaw = async (header: unknown, payload: unknown, key: TestKey): Promise<string> => {
  const input = `${encode(header)}.${encode(payload)}`
  const bytes = new TextEncoder().encode(input)
  const signature = await crypto.subtle.sign(parameters[key.alg], key.privateKey, bytes)
  return `${input}.${encodeBase64url(new Uint8Array(signature))}`
}

export const delegated = {
  sub: 'usr_alice',
  client_id: 'researcher',
  act: { sub: 'researcher', act: { sub: 'orchestrator' } },
  agent_limits: { allowed_actions: ['docs.*'] },
  agent_lineage: ['dlg_1', 'dlg_2', 'dlg_3'],
}

export interface LedgerCall {
  path: string
  key: string | null
  authorization: string | null
  body: Record<string, unknown>
}

type Answer = Response | Promise<Response>

export const createIssuer = async (key?: TestKey) => {
  const first = key ?? (await makeKey('key-1'))
  const clock = { seconds: startSeconds }
  const state = {
    keys: [first] as TestKey[],
    /** Replaces the answer of a path. */
    overrides: new Map<string, (url: URL, init?: RequestInit) => Answer>(),
    metadata: {} as Record<string, unknown>,
    feed: { revoked: [] as { id: string; exp: number }[], cursor: 0 },
    requests: [] as string[],
    redirects: new Set<string | undefined>(),
    ledger: [] as LedgerCall[],
    ledgerAnswer: (_call: LedgerCall): Answer => new Response('{}', { status: 500 }),
    /** Unless it is told to, it lends nothing. */
    leaseAnswer: (_call: LedgerCall): Answer =>
      Response.json({ error: 'not_found' }, { status: 404 }),
  }

  const metadata = () => ({
    issuer: issuerUrl,
    token_endpoint: `${issuerUrl}/token`,
    jwks_uri: `${issuerUrl}/jwks`,
    agent_budget_endpoint: `${issuerUrl}/ledger`,
    agent_revocation_feed_endpoint: `${issuerUrl}/revocations`,
    ...state.metadata,
  })
  const signFeed = (claims: Record<string, unknown> = {}, header: Record<string, unknown> = {}) =>
    signRaw(
      { alg: first.alg, kid: first.kid, typ: 'revocation-feed+jwt', ...header },
      {
        iss: issuerUrl,
        iat: clock.seconds,
        cursor: String(state.feed.cursor),
        ttl: 10,
        revoked: state.feed.revoked,
        full: true,
        ...claims,
      },
      first,
    )
  const feed = async (url: URL) => {
    const after = url.searchParams.get('after')
    const revoked = state.feed.revoked.slice(Number(after ?? 0))
    const text = await signFeed({ revoked, full: after === null })
    return new Response(text, { headers: { 'Content-Type': 'application/jwt' } })
  }
  const ledger = (url: URL, init?: RequestInit) => {
    const headers = new Headers(init?.headers)
    const call = {
      path: url.pathname.slice('/ledger'.length),
      key: headers.get('idempotency-key'),
      authorization: headers.get('authorization'),
      body: JSON.parse(String(init?.body)),
    }
    if (call.path.startsWith('/leases')) return state.leaseAnswer(call)
    state.ledger.push(call)
    return state.ledgerAnswer(call)
  }
  const answer = (url: URL, init?: RequestInit): Answer => {
    const override = state.overrides.get(url.pathname)
    if (override) return override(url, init)
    if (url.pathname === '/.well-known/oauth-authorization-server') return Response.json(metadata())
    if (url.pathname === '/jwks') return Response.json({ keys: state.keys.map(({ jwk }) => jwk) })
    if (url.pathname === '/revocations') return feed(url)
    if (url.pathname.startsWith('/ledger')) return ledger(url, init)
    return new Response('not found', { status: 404 })
  }

  return {
    key: first,
    clock,
    state,
    signFeed,
    fetch: async (input: string | URL | Request, init?: RequestInit): Promise<Response> => {
      const url = new URL(input instanceof Request ? input.url : input)
      state.requests.push(url.pathname + url.search)
      state.redirects.add(init?.redirect)
      return answer(url, init)
    },
    count: (path: string) => state.requests.filter((one) => one.split('?')[0] === path).length,
    revoke: (id: string, exp = clock.seconds + 1000) => {
      state.feed.revoked.push({ id, exp })
      state.feed.cursor += 1
    },
    claims: (claims: Record<string, unknown> = {}): Record<string, unknown> => ({
      iss: issuerUrl,
      aud: audience,
      scope: 'docs:read docs:write',
      iat: clock.seconds,
      exp: clock.seconds + 300,
      jti: 'at_1',
      tenant_id: 'acme',
      role: 'agent',
      agent_type: 'researcher',
      ...delegated,
      ...claims,
    }),
    token(claims: Record<string, unknown> = {}, header: Record<string, unknown> = {}, by = first) {
      const whole = { alg: by.alg, kid: by.kid, typ: 'at+jwt', ...header }
      return signRaw(whole, this.claims(claims), by)
    },
  }
}

export type Issuer = Awaited<ReturnType<typeof createIssuer>>

export const silent = { warn: () => undefined, error: () => undefined }

export const verifierFor = (issuer: Issuer, options: Partial<VerifierOptions> = {}): Verifier =>
  createVerifier({
    issuer: issuerUrl,
    audience,
    fetch: issuer.fetch,
    now: () => issuer.clock.seconds * 1000,
    logger: silent,
    sleep: async () => undefined,
    // Long, so that no poll of the background comes in between: the tests say when.
    pollSeconds: 3600,
    ...options,
  })

export const bearer = (token: string): Request =>
  new Request('https://mcp.example/mcp', { headers: { Authorization: `Bearer ${token}` } })

export interface Refusal {
  name: string
  code: string
  status: number
  reason: string
  headers: Record<string, string>
  details: Record<string, unknown>
  message: string
}

/** What it was refused with. */
export const refusal = async (work: Promise<unknown> | (() => unknown)): Promise<Refusal> => {
  try {
    await (typeof work === 'function' ? work() : work)
  } catch (error) {
    return error as Refusal
  }
  throw new Error('It was not refused.')
}
