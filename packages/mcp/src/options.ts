/** What a guard is made of, checked once, when it is made. */
import { issuerProblem } from '@behalf/protocol'
import type { Verifier, VerifierOptions } from '@behalf/verifier'
import type { ClientCredentials } from './downstream.js'

type PassedOn = Omit<VerifierOptions, 'issuer' | 'audience' | 'resourceMetadataUrl'>

export interface ProtectMcpOptions extends PassedOn {
  /** The authorization server, exactly as it spells itself. */
  issuer: string
  /**
   * The public URL of this server, as clients call it and as tokens name it. It is never derived
   * from a request: what a proxy or a `Host` header says must not decide whose tokens are good.
   */
  resource: string
  /** The scopes that clients should ask for: in every challenge, and in the metadata. */
  scopes?: string | readonly string[] | undefined
  /** Shown to people who are asked for their consent. */
  resourceName?: string | undefined
  /**
   * Origins of the web pages that may call. Requests without `Origin` come from no page and pass.
   *
   * @defaultValue the resource's own and, where that is on loopback, every origin on loopback
   */
  allowedOrigins?: readonly string[] | undefined
  /**
   * What may stand in `Host`: hosts, with their port unless it is the default one. For a server
   * behind a proxy that calls it by another name. `'any'` where the proxy checks it.
   *
   * @defaultValue the resource's own and, where that is on loopback, every host on loopback
   */
  allowedHosts?: readonly string[] | 'any' | undefined
  /** Answers preflights and lets pages of allowed origins read. @defaultValue true */
  cors?: boolean | undefined
  /**
   * This server at the authorization server, for `caller.exchangeFor`.
   *
   * @defaultValue the credentials of `budget`
   */
  client?: ClientCredentials | undefined
  /** One made elsewhere, for this issuer and resource. Its own options count then. */
  verifier?: Verifier | undefined
}

/** All of them: the compiler misses one that is forgotten here. */
const known: Record<keyof ProtectMcpOptions, true> = {
  algorithms: true,
  allowedHosts: true,
  allowedOrigins: true,
  budget: true,
  budgetStatus: true,
  client: true,
  cors: true,
  fetch: true,
  issuer: true,
  jwks: true,
  logger: true,
  maxStalenessSeconds: true,
  monotonic: true,
  now: true,
  pollSeconds: true,
  requestsStatus: true,
  resource: true,
  resourceName: true,
  revocation: true,
  scopes: true,
  sleep: true,
  timeoutMs: true,
  verifier: true,
}

const misuse = (problem: string): TypeError => new TypeError(`protectMcp: ${problem}`)

/** A guard that overlooks a word of its configuration protects less than was meant. */
export const checkNames = (options: object): void => {
  const unknown = Object.keys(options).find((name) => !Object.hasOwn(known, name))
  if (unknown === undefined) return
  throw misuse(`unknown option "${unknown}". There are ${Object.keys(known).join(', ')}.`)
}

export const checkIssuer = (issuer: unknown): string => {
  if (typeof issuer !== 'string') throw misuse('issuer is missing.')
  const problem = issuerProblem(issuer)
  if (problem !== undefined) throw misuse(`issuer ${problem}.`)
  return issuer
}

export const checkName = (name: unknown): string | undefined => {
  if (name === undefined || (typeof name === 'string' && name !== '')) return name
  throw misuse('resourceName must be text.')
}

export const checkFlag = (name: string, value: unknown): boolean => {
  if (typeof value === 'boolean') return value
  throw misuse(`${name} must be true or false.`)
}

// MCP Authorization, "Refresh Tokens": it is between the client and the authorization server.
export const checkAskedScopes = (scopes: readonly string[]): readonly string[] => {
  if (!scopes.includes('offline_access')) return scopes
  throw misuse('scopes should not have offline_access: it is no scope of a resource.')
}

const isText = (value: unknown): value is string => typeof value === 'string' && value !== ''

/** The credentials for exchanges: those given, else those that the ledger gets. */
export const clientOf = ({
  client,
  budget,
}: Pick<ProtectMcpOptions, 'client' | 'budget'>): ClientCredentials | undefined => {
  const chosen = client ?? (typeof budget === 'object' ? budget : undefined)
  if (chosen === undefined) return undefined
  if (isText(chosen.clientId) && isText(chosen.clientSecret)) return chosen
  throw misuse(`${client ? 'client' : 'budget'} must be { clientId, clientSecret }.`)
}
