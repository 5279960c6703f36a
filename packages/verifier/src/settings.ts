/** What a verifier is made of, checked once, when it is made. */
import {
  isResourceUri,
  isSecureUrl,
  issuerProblem,
  type SigningAlgorithm,
  signingAlgorithms,
} from '@behalf/protocol'

/** Any `fetch`: the platform's own, a wrapped one, or a server in the same process. */
export type Fetch = (
  input: string | URL | Request,
  init?: RequestInit,
) => Promise<Response> | Response

/** Where the verifier says what an operator should know. No token and no secret is ever in it. */
export interface Logger {
  warn: (message: string, fields?: Record<string, unknown>) => void
  error: (message: string, fields?: Record<string, unknown>) => void
}

/** The credentials of the resource server at the ledger. */
export interface LedgerCredentials {
  clientId: string
  clientSecret: string
}

export interface JWKSOptions {
  /** After a fetch, an unknown key id causes no other for so long. @defaultValue 30 */
  cooldownSeconds?: number | undefined
  /** Keys are fetched again after so long: the bound for a withdrawn key. @defaultValue 300 */
  cacheSeconds?: number | undefined
  /** Keys older than this are not used, even when no others can be had. @defaultValue 3600 */
  maxStaleSeconds?: number | undefined
}

export interface VerifierOptions {
  /** The authorization server, exactly as it spells itself. */
  issuer: string
  /** The resource URI of this server, as in the `aud` of its tokens. Several when it has several. */
  audience: string | readonly string[]
  fetch?: Fetch | undefined
  /** Milliseconds since 1970. @defaultValue Date.now */
  now?: (() => number) | undefined
  /**
   * Milliseconds of a clock that nobody sets: how long money that was borrowed may be spent.
   *
   * @defaultValue performance.now
   */
  monotonic?: (() => number) | undefined
  /** Follow what was revoked, or say out loud that tokens live until they expire. @defaultValue 'feed' */
  revocation?: 'feed' | 'off' | undefined
  /** A revocation list older than this refuses every token. @defaultValue 10 */
  maxStalenessSeconds?: number | undefined
  /** How often the revocation list is asked for, in the background. @defaultValue 1 */
  pollSeconds?: number | undefined
  /** Credentials for the ledger, or `'advisory'` to run charged actions without one. */
  budget?: LedgerCredentials | 'advisory' | undefined
  /** The RFC 9728 document of this resource, for the challenges. */
  resourceMetadataUrl?: string | undefined
  /** Status of a refusal over money. @defaultValue 402 */
  budgetStatus?: 402 | 429 | undefined
  /** Status of a refusal over requests. @defaultValue 429 */
  requestsStatus?: 402 | 429 | undefined
  jwks?: JWKSOptions | undefined
  /** @defaultValue ES256, EdDSA and RS256 */
  algorithms?: readonly SigningAlgorithm[] | undefined
  /** @defaultValue console */
  logger?: Logger | undefined
  /** For each request to the authorization server. @defaultValue 5000 */
  timeoutMs?: number | undefined
  /** Waits between the attempts of one request to the ledger. Tests pass their own. */
  sleep?: ((ms: number) => Promise<void>) | undefined
}

/** The options with every default filled in. */
export interface Settings {
  issuer: string
  audience: readonly string[]
  fetch: Fetch
  /** Seconds since 1970, with fractions. */
  now: () => number
  /** Milliseconds since some moment, never set back. */
  monotonic: () => number
  revocation: 'feed' | 'off'
  maxStalenessSeconds: number
  pollSeconds: number
  budget: LedgerCredentials | 'advisory' | undefined
  resourceMetadataUrl: string | undefined
  budgetStatus: 402 | 429
  requestsStatus: 402 | 429
  jwks: { cooldownSeconds: number; cacheSeconds: number; maxStaleSeconds: number }
  algorithms: readonly SigningAlgorithm[]
  logger: Logger
  timeoutMs: number
  sleep: (ms: number) => Promise<void>
}

/** Timers of every platform hold 31 bits of milliseconds; a longer wait would fire at once. */
const maxSeconds = 2_147_483

const misuse = (problem: string): TypeError => new TypeError(`createVerifier: ${problem}`)

const checkIssuer = (issuer: unknown): string => {
  if (typeof issuer !== 'string') throw misuse('issuer is missing.')
  const problem = issuerProblem(issuer)
  if (problem !== undefined) throw misuse(`issuer ${problem}.`)
  return issuer
}

const checkAudience = (audience: unknown): readonly string[] => {
  const list: unknown[] = Array.isArray(audience) ? audience : [audience]
  const uris = list.filter((one) => typeof one === 'string').filter(isResourceUri)
  // A verifier for no audience would be one for all of them, or for none.
  if (uris.length > 0 && uris.length === list.length) return Object.freeze([...uris])
  throw misuse('audience must be the resource URI of this server, absolute, without a fragment.')
}

const oneOf = <T>(name: string, value: unknown, allowed: readonly T[]): T => {
  const found = allowed.find((one) => one === value)
  if (found !== undefined) return found
  throw misuse(`${name} must be one of ${allowed.join(', ')}.`)
}

const seconds = (name: string, value: unknown, least = 0.01): number => {
  if (typeof value === 'number' && value >= least && value <= maxSeconds) return value
  throw misuse(`${name} must be a number of at least ${least}.`)
}

const isText = (value: unknown): boolean => typeof value === 'string' && value !== ''

const checkBudget = (budget: VerifierOptions['budget']): Settings['budget'] => {
  if (budget === undefined || budget === 'advisory') return budget
  if (isText(budget?.clientId) && isText(budget.clientSecret)) return budget
  throw misuse('budget must be { clientId, clientSecret } of this server, or "advisory".')
}

const checkMetadataUrl = (url: string | undefined): string | undefined => {
  if (url === undefined) return undefined
  if (isSecureUrl(url)) return new URL(url).href
  throw misuse('resourceMetadataUrl must be an https URL (plain http only on loopback).')
}

const checkJWKS = (jwks: JWKSOptions = {}): Settings['jwks'] => {
  const cacheSeconds = seconds('jwks.cacheSeconds', jwks.cacheSeconds ?? 300)
  return {
    cacheSeconds,
    cooldownSeconds: seconds('jwks.cooldownSeconds', jwks.cooldownSeconds ?? 30, 1),
    maxStaleSeconds: Math.max(
      cacheSeconds,
      seconds('jwks.maxStaleSeconds', jwks.maxStaleSeconds ?? 3600, 0),
    ),
  }
}

const checkAlgorithms = (algorithms: unknown = signingAlgorithms): readonly SigningAlgorithm[] => {
  if (!Array.isArray(algorithms) || algorithms.length === 0) {
    throw misuse('algorithms must name at least one.')
  }
  return algorithms.map((one) => oneOf('algorithms', one, signingAlgorithms))
}

const checkFunction = <T>(name: string, value: T): T => {
  if (typeof value === 'function') return value
  throw misuse(`${name} must be a function.`)
}

/** Bound to nothing: a browser's `fetch` refuses to be called as a method of something else. */
const platformFetch: Fetch = (input, init) => fetch(input, init)

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

const platformMonotonic = (): number => performance.now()

/** @throws TypeError for anything that could never work. */
export const checkSettings = (options: VerifierOptions): Settings => {
  const milliseconds = checkFunction('now', options.now ?? Date.now)
  return {
    issuer: checkIssuer(options.issuer),
    audience: checkAudience(options.audience),
    fetch: checkFunction('fetch', options.fetch ?? platformFetch),
    now: () => milliseconds() / 1000,
    monotonic: checkFunction('monotonic', options.monotonic ?? platformMonotonic),
    revocation: oneOf('revocation', options.revocation ?? 'feed', ['feed', 'off']),
    maxStalenessSeconds: seconds('maxStalenessSeconds', options.maxStalenessSeconds ?? 10),
    pollSeconds: seconds('pollSeconds', options.pollSeconds ?? 1),
    budget: checkBudget(options.budget),
    resourceMetadataUrl: checkMetadataUrl(options.resourceMetadataUrl),
    budgetStatus: oneOf('budgetStatus', options.budgetStatus ?? 402, [402, 429]),
    requestsStatus: oneOf('requestsStatus', options.requestsStatus ?? 429, [402, 429]),
    jwks: checkJWKS(options.jwks),
    algorithms: checkAlgorithms(options.algorithms),
    logger: options.logger ?? console,
    timeoutMs: seconds('timeoutMs', options.timeoutMs ?? 5000, 1),
    sleep: checkFunction('sleep', options.sleep ?? sleep),
  }
}
