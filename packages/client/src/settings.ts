/** What an agent is made of, checked once, when it is made. */
import { isResourceUri, issuerProblem } from '@behalf/protocol'
import { type ClientKey, checkClientKey } from './client-assertion.js'
import { type ClientAuthentication, createClientAuthentication } from './client-authentication.js'

/** Any `fetch`: the platform's own, a wrapped one, or a server in the same process. */
export type Fetch = (
  input: string | URL | Request,
  init?: RequestInit,
) => Promise<Response> | Response

/** Refusals by a limit, 402 and 429: given back like every other answer, or thrown. */
export type LimitErrors = 'return' | 'throw'

export interface AgentOptions {
  /** The authorization server, exactly as it spells itself. Credentials go nowhere else. */
  issuer: string
  clientId: string
  /** Or `clientKey`: one of them. */
  clientSecret?: string | undefined
  /** Authenticates by `private_key_jwt` (RFC 7523): the key signs here, and stays here. */
  clientKey?: ClientKey | undefined
  /** How a secret is sent. @defaultValue 'client_secret_basic' */
  authMethod?: 'client_secret_basic' | 'client_secret_post' | undefined
  /** The resource (RFC 8707) of calls that name none. */
  resource?: string | undefined
  fetch?: Fetch | undefined
  /** Milliseconds since 1970. @defaultValue Date.now */
  now?: (() => number) | undefined
  /** For each request to the authorization server. @defaultValue 10000 */
  timeoutMs?: number | undefined
  /** What `fetch` does when money or requests are used up. @defaultValue 'return' */
  limitErrors?: LimitErrors | undefined
}

/** The options with every default filled in. */
export interface Settings {
  issuer: string
  clientId: string
  authentication: ClientAuthentication
  resource: string | undefined
  fetch: Fetch
  now: () => number
  timeoutMs: number
  limitErrors: LimitErrors
}

const defaultTimeoutMs = 10_000
/** Timers of every platform hold 31 bits; a longer wait would fire at once. */
const maxTimeoutMs = 2_147_483_647

const misuse = (problem: string): TypeError => new TypeError(`createAgent: ${problem}`)

const requireText = (name: 'issuer' | 'clientId', value: unknown): string => {
  if (typeof value === 'string' && value !== '') return value
  throw misuse(`${name} is missing.`)
}

export const checkTimeout = (timeoutMs: number = defaultTimeoutMs): number => {
  if (Number.isInteger(timeoutMs) && timeoutMs > 0 && timeoutMs <= maxTimeoutMs) return timeoutMs
  throw new TypeError('timeoutMs must be a whole number of milliseconds, more than 0.')
}

/** @throws TypeError when the issuer cannot be one. */
export const checkIssuer = (issuer: string): string => {
  const problem = issuerProblem(issuer)
  if (problem === undefined) return issuer
  throw new TypeError(`The issuer ${problem}.`)
}

/** Bound to nothing: a browser's `fetch` refuses to be called as a method of something else. */
export const platformFetch: Fetch = (input, init) => fetch(input, init)

const checkAuthMethod = (method: string | undefined): AgentOptions['authMethod'] => {
  if (method === undefined) return method
  if (method === 'client_secret_basic' || method === 'client_secret_post') return method
  throw misuse('authMethod must be "client_secret_basic" or "client_secret_post".')
}

const checkResource = (resource: string | undefined): string | undefined => {
  if (resource === undefined || isResourceUri(resource)) return resource
  throw misuse('resource must be an absolute URI without a fragment (RFC 8707).')
}

/** @throws TypeError */
export const checkLimitErrors = (limitErrors: string): LimitErrors => {
  if (limitErrors === 'return' || limitErrors === 'throw') return limitErrors
  throw new TypeError('limitErrors must be "return" or "throw".')
}

const checkAuthentication = (options: AgentOptions): ClientAuthentication => {
  const { clientSecret, clientKey } = options
  return createClientAuthentication(
    { clientSecret, clientKey: clientKey && checkClientKey(clientKey) },
    {
      clientId: requireText('clientId', options.clientId),
      issuer: requireText('issuer', options.issuer),
      authMethod: checkAuthMethod(options.authMethod),
      now: options.now ?? Date.now,
    },
  )
}

/** @throws TypeError for anything that could never work. */
export const checkSettings = (options: AgentOptions): Settings => ({
  issuer: checkIssuer(requireText('issuer', options.issuer)),
  clientId: requireText('clientId', options.clientId),
  authentication: checkAuthentication(options),
  resource: checkResource(options.resource),
  fetch: options.fetch ?? platformFetch,
  now: options.now ?? Date.now,
  timeoutMs: checkTimeout(options.timeoutMs),
  limitErrors: checkLimitErrors(options.limitErrors ?? 'return'),
})
