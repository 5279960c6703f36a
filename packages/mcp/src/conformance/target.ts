/** The server under test, as the checks see it: what it says of itself, and how it is asked. */
import { resourceMetadataUrl } from '@behalf/protocol'
import { type Challenge, tokenChallenge } from './challenge.js'
import { type Answer, type Outgoing, readObject, type Send } from './http.js'
import { type Era, type Message, opening } from './rpc.js'
import { decodeToken, type Members } from './signing.js'
import type { SuppliedKind, TokenChanges, TokenRequest, TokenSource } from './token-source.js'

/** A tool that needs a scope, so that there is one to be refused. */
export interface ToolProbe {
  name: string
  arguments?: Record<string, unknown> | undefined
  /** All of the scopes that it needs. */
  scope: string
}

/** A tool that calls an API, and where the kit shall stand in for that API. */
export interface UpstreamProbe {
  tool: string
  arguments?: Record<string, unknown> | undefined
  /** On loopback. The server must be configured to call it there. */
  port: number
}

export interface TargetOptions {
  url: string
  resource: string
  issuer: string | undefined
  scope: readonly string[] | undefined
  tokens: TokenSource
  tool: ToolProbe | undefined
  upstream: UpstreamProbe | undefined
  /** Of a web page that may call. */
  origin: string
  revocationSeconds: number
  send: Send
  /** False where `fetch` was given: then header lines and `Host` cannot be chosen. */
  hasSocket: boolean
  now: () => number
  sleep: (ms: number) => Promise<void>
}

export interface Call extends Partial<Omit<Outgoing, 'headers'>> {
  token?: string | undefined
  headers?: Outgoing['headers'] | undefined
  message?: Message | undefined
}

export interface Target extends Omit<TargetOptions, 'issuer' | 'scope' | 'send'> {
  /** One request to the server: the opening message, unless told otherwise. */
  call: (call?: Call) => Promise<Answer>
  /** The same with a token that must not be taken. Its answer is remembered. */
  callBadly: (token: string, call?: Call) => Promise<Answer>
  badAnswers: readonly { token: string; answer: Answer }[]
  get: (url: string, headers?: Record<string, string>) => Promise<Answer>
  send: Send
  era: () => Promise<Era>
  unauthenticated: () => Promise<Answer>
  challenge: () => Promise<Challenge | undefined>
  /** The RFC 9728 document: where the challenge says, else path-aware, else at the root. */
  metadata: () => Promise<Members | undefined>
  issuer: () => Promise<string | undefined>
  issuerMetadata: () => Promise<Members | undefined>
  request: () => Promise<TokenRequest>
  good: () => Promise<string>
  goodParts: () => Promise<{ header: Members; claims: Members; signature: string }>
  mint: ((changes: TokenChanges) => Promise<string>) | undefined
  supplied: (kind: SuppliedKind) => Promise<string | undefined>
}

const once = <T>(load: () => Promise<T>): (() => Promise<T>) => {
  let value: Promise<T> | undefined
  return () => {
    value ??= load()
    return value
  }
}

const words = (value: unknown): string[] =>
  typeof value === 'string' ? value.split(' ').filter((word) => word !== '') : []

const texts = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter((one) => typeof one === 'string') : []

/** RFC 8414 §3.1 and OpenID Connect Discovery §4, in the order in which MCP clients ask. */
export const issuerMetadataUrls = (issuer: string): string[] => {
  if (!URL.canParse(issuer)) return []
  const { origin, pathname } = new URL(issuer)
  const path = pathname === '/' ? '' : pathname.replace(/\/$/, '')
  return [
    `${origin}/.well-known/oauth-authorization-server${path}`,
    `${origin}/.well-known/openid-configuration${path}`,
    ...(path === '' ? [] : [`${origin}${path}/.well-known/openid-configuration`]),
  ]
}

const firstDocument = async (
  urls: readonly string[],
  get: Target['get'],
): Promise<Members | undefined> => {
  for (const url of urls) {
    const answer = await get(url)
    const document = answer.status === 200 ? readObject(answer.text) : undefined
    if (document) return document
  }
  return undefined
}

const isFetchable = (url: string | undefined): url is string =>
  url !== undefined && URL.canParse(url) && /^https?:$/.test(new URL(url).protocol)

const createCalls = ({ url, send }: TargetOptions, era: () => Promise<Era>) => {
  const badAnswers: { token: string; answer: Answer }[] = []
  const call: Target['call'] = async ({ token, headers, message, ...more } = {}) => {
    const { body, headers: usual } = message ?? opening(await era())
    const method = more.method ?? 'POST'
    return send({
      url,
      method,
      ...(method === 'POST' && { body }),
      ...more,
      headers: {
        ...usual,
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
        ...headers,
      },
    })
  }
  const callBadly: Target['callBadly'] = async (token, more = {}) => {
    const answer = await call({ token, ...more })
    badAnswers.push({ token, answer })
    return answer
  }
  const get: Target['get'] = (where, headers = {}) =>
    send({ url: where, method: 'GET', headers: { accept: 'application/json', ...headers } })
  return { call, callBadly, badAnswers, get }
}

const createDiscovery = (
  options: TargetOptions,
  { call, get }: Pick<Target, 'call' | 'get'>,
): Pick<Target, 'unauthenticated' | 'challenge' | 'metadata' | 'issuer' | 'issuerMetadata'> => {
  const { url, resource } = options
  const unauthenticated = once(() => call())
  const challenge = once(async () =>
    tokenChallenge((await unauthenticated()).header('www-authenticate')),
  )
  const metadata = once(async () => {
    const named = (await challenge())?.parameters.get('resource_metadata')
    const root = new URL('/.well-known/oauth-protected-resource', url).href
    return firstDocument([named, resourceMetadataUrl(resource), root].filter(isFetchable), get)
  })
  const issuer = once(
    async () =>
      options.issuer ??
      options.tokens.issuer ??
      texts((await metadata())?.authorization_servers).at(0),
  )
  const issuerMetadata = once(async () =>
    firstDocument(issuerMetadataUrls((await issuer()) ?? ''), get),
  )
  return { unauthenticated, challenge, metadata, issuer, issuerMetadata }
}

const createTokens = (
  options: TargetOptions,
  { metadata, challenge }: Pick<Target, 'metadata' | 'challenge'>,
): Pick<Target, 'request' | 'good' | 'mint' | 'supplied'> => {
  const { resource, scope, tokens, tool } = options
  const offered = async (): Promise<string[]> => [
    ...words((await challenge())?.parameters.get('scope')),
    ...texts((await metadata())?.scopes_supported),
    ...words(tool?.scope),
  ]
  const request = once(async () => ({
    resource,
    scope: scope ?? [...new Set(await offered())].filter((word) => word !== 'offline_access'),
  }))
  const { mint } = tokens
  return {
    request,
    good: once(async () => tokens.good(await request())),
    mint: mint && (async (changes) => mint(await request(), changes)),
    supplied: async (kind) => {
      const token = tokens.supplied?.[kind]
      return typeof token === 'function' ? token().catch(() => undefined) : token
    },
  }
}

/** What a forged token is made of where the good one is opaque. */
const fallbackClaims = async (target: Pick<Target, 'issuer' | 'resource' | 'now'>) => {
  const now = Math.floor(target.now() / 1000)
  const { resource: aud } = target
  return {
    iss: await target.issuer(),
    aud,
    sub: 'admin',
    client_id: 'admin',
    iat: now,
    exp: now + 300,
  }
}

/** Makes the target of one run. It asks nothing before the first check does. */
export const createTarget = (options: TargetOptions): Target => {
  const { issuer: _, scope: __, ...rest } = options
  const era = once(async (): Promise<Era> => {
    const token = await tokens.good()
    for (const one of ['2025-11-25', '2026-07-28'] as const) {
      const { status } = await calls.call({ token, message: opening(one) })
      if (status >= 200 && status < 300) return one
    }
    return '2025-11-25'
  })
  // Without a token every message is refused alike, whatever protocol is spoken.
  const plain = createCalls(options, async () => '2025-11-25')
  const discovery = createDiscovery(options, plain)
  const tokens = createTokens(options, discovery)
  const calls = createCalls(options, era)
  return {
    ...rest,
    ...calls,
    ...discovery,
    ...tokens,
    era,
    goodParts: once(async () => {
      const decoded = decodeToken(await tokens.good())
      if (decoded) return decoded
      const claims = await fallbackClaims({ ...rest, ...discovery })
      return { header: { alg: 'ES256', typ: 'at+jwt' }, claims, signature: '' }
    }),
  }
}
