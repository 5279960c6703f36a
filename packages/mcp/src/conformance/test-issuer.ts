/**
 * An issuer with keys of its own, for as long as a run takes. Started before the server under test,
 * which is told to trust it, it can sign every bad token there is. It authenticates nobody, so it
 * listens on loopback alone.
 */
import { randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { revocationFeedType } from '@behalf/protocol'
import { createSigningKey, type Members, type SigningKey, signWith } from './signing.js'
import type { TokenSource } from './token-source.js'

export interface TestIssuer extends TokenSource {
  readonly issuer: string
  mint: NonNullable<TokenSource['mint']>
  revoke: NonNullable<TokenSource['revoke']>
  jwksFetches: NonNullable<TokenSource['jwksFetches']>
  close: () => Promise<void>
}

export interface TestIssuerOptions {
  /** @defaultValue one that is free */
  port?: number | undefined
  /** Milliseconds since 1970. @defaultValue Date.now */
  now?: (() => number) | undefined
}

const lifetimeSeconds = 300
const maxIssued = 10_000
const maxBodyBytes = 65_536

const metadataOf = (issuer: string): Members => ({
  issuer,
  authorization_endpoint: `${issuer}/authorize`,
  token_endpoint: `${issuer}/token`,
  jwks_uri: `${issuer}/jwks`,
  introspection_endpoint: `${issuer}/introspect`,
  agent_revocation_feed_endpoint: `${issuer}/revocations`,
  response_types_supported: ['code'],
  subject_types_supported: ['public'],
  id_token_signing_alg_values_supported: ['ES256'],
  code_challenge_methods_supported: ['S256'],
})

const goodClaims = (issuer: string, resource: string, scope: readonly string[], now: number) => {
  const id = randomUUID()
  return {
    iss: issuer,
    sub: 'conformance',
    aud: resource,
    client_id: 'conformance',
    scope: scope.join(' '),
    iat: now,
    exp: now + lifetimeSeconds,
    jti: `at_${id}`,
    tenant_id: 'conformance',
    // Tokens with an `act` or limits must say what they were delegated from.
    agent_lineage: [`dlg_${id}`],
  }
}

/** What was issued and what was taken back. */
const createBooks = (issuer: string, now: () => number) => {
  const issued = new Map<string, Members>()
  const revoked = new Set<string>()
  const isActive = ({ iss, exp, jti }: Members): boolean =>
    iss === issuer && typeof exp === 'number' && exp > now() && !revoked.has(String(jti))
  return {
    enter: (token: string, claims: Members | string): void => {
      if (typeof claims !== 'string' && issued.size < maxIssued) issued.set(token, claims)
    },
    revoke: async (token: string): Promise<void> => {
      revoked.add(String(issued.get(token)?.jti))
    },
    introspect: (token: string): Members => {
      const claims = issued.get(token)
      return claims && isActive(claims) ? { ...claims, active: true } : { active: false }
    },
    /** RFC 9068 has no list of what was revoked. This is the one of Behalf. */
    feed: (): Members => ({
      iss: issuer,
      iat: now(),
      cursor: String(revoked.size),
      ttl: 60,
      full: true,
      revoked: [...revoked].map((id) => ({ id, exp: now() + lifetimeSeconds })),
    }),
  }
}

const readForm = async (request: IncomingMessage): Promise<URLSearchParams> => {
  let body = ''
  for await (const chunk of request) {
    body += String(chunk)
    if (body.length > maxBodyBytes) break
  }
  return new URLSearchParams(body)
}

type Page = (request: IncomingMessage) => Members | string | Promise<Members | string>

const serve =
  (pages: ReadonlyMap<string, Page>) =>
  async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const page = pages.get((request.url ?? '/').split('?', 1)[0] ?? '/')
    const body = await page?.(request)
    const type = typeof body === 'string' ? 'application/jwt' : 'application/json'
    response.writeHead(body === undefined ? 404 : 200, { 'content-type': type })
    response.end(typeof body === 'string' ? body : JSON.stringify(body ?? {}))
  }

const listen = async (server: Server, port: number): Promise<string> => {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', resolve)
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const stop = (server: Server): Promise<void> =>
  new Promise((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })

const createPages = (issuer: string, key: SigningKey, books: ReturnType<typeof createBooks>) => {
  let fetches = 0
  const metadata = () => metadataOf(issuer)
  const pages = new Map<string, Page>([
    ['/.well-known/oauth-authorization-server', metadata],
    ['/.well-known/openid-configuration', metadata],
    [
      '/jwks',
      () => {
        fetches += 1
        return { keys: [key.publicJwk] }
      },
    ],
    ['/revocations', () => signWith(key, { typ: revocationFeedType }, books.feed())],
    [
      '/introspect',
      async (request) => books.introspect((await readForm(request)).get('token') ?? ''),
    ],
  ])
  return { pages, jwksFetches: () => fetches }
}

/** Starts it. Start the server under test next, with `issuer` as the one that it trusts. */
export const startTestIssuer = async (options: TestIssuerOptions = {}): Promise<TestIssuer> => {
  const { port = 0, now: milliseconds = Date.now } = options
  const now = () => Math.floor(milliseconds() / 1000)
  const server = createServer()
  const issuer = await listen(server, port)
  const key = await createSigningKey(`conformance-${randomUUID()}`)
  const books = createBooks(issuer, now)
  const { pages, jwksFetches } = createPages(issuer, key, books)
  server.on('request', serve(pages))

  const mint: TestIssuer['mint'] = async ({ resource, scope }, { header, claims = {} }) => {
    const payload =
      typeof claims === 'string'
        ? claims
        : { ...goodClaims(issuer, resource, scope, now()), ...claims }
    const token = await signWith(key, { typ: 'at+jwt', ...header }, payload)
    books.enter(token, payload)
    return token
  }
  return Object.freeze({
    issuer,
    good: (request) => mint(request, {}),
    mint,
    revoke: books.revoke,
    jwksFetches,
    close: () => stop(server),
  } satisfies TestIssuer)
}
