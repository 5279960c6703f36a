/** The verifier: a token in, a caller out. Offline but for keys and revocations. RFC 9068 §4. */
import {
  type AccessToken,
  checkAccessToken,
  checkHeader,
  decodeBase64url,
  formatScope,
  isOAuthError,
  OAuthError,
  parseAccessToken,
  parseJwsPart,
  type SigningAlgorithm,
  splitCompactJws,
} from '@behalf/protocol'
import { type HasHeaders, readToken } from './bearer.js'
import { type Charged, createBudgets, type Run } from './budgets.js'
import { type Caller, toCaller } from './caller.js'
import { challenge, toResponse } from './challenges.js'
import type { ChargeOptions } from './charge-options.js'
import type { Streamed } from './charge-stream.js'
import { createDiscovery } from './discovery.js'
import { requireScope, scopeWords } from './guards.js'
import { why } from './http.js'
import { createKeySet, type KeySet } from './key-set.js'
import {
  createRevocationFeed,
  type RevocationFeed,
  type RevocationStatus,
} from './revocation-feed.js'
import { checkSettings, type Settings, type VerifierOptions } from './settings.js'
import { createVerifiedCache, type Verified, type VerifiedCache } from './verified-cache.js'

export interface VerifyOptions {
  /** Scopes that all must be there; named in the challenge of a refusal. */
  requireScope?: string | readonly string[] | undefined
  /** Keeps answering while the revocation list is older than its bound. For reads that can bear it. */
  allowStale?: boolean | undefined
  /** Counts towards `requests_per_hour`. @defaultValue true for a request, false for a token */
  countRequest?: boolean | undefined
}

export interface Verifier {
  /** @throws OAuthError and nothing else, whatever the request holds */
  verify: (input: HasHeaders | string, options?: VerifyOptions) => Promise<Caller>
  /** Holds the cost, runs the action, charges what it cost, or gives it back when it throws. */
  charge: <T>(caller: Caller, options: ChargeOptions<T>, run: Run<T>) => Promise<T>
  /** The same, with a receipt beside the result. */
  chargeWithReceipt: <T>(
    caller: Caller,
    options: ChargeOptions<T>,
    run: Run<T>,
  ) => Promise<Charged<T>>
  /**
   * The same for an answer that is paid for as it is read. What it can cost is held until the stream
   * ends. Then it costs what `charge.settle` said last, or `cost.actual`, or all of it. When its
   * reader goes, when it fails or `signal` is aborted, it costs what was said until then, or nothing.
   */
  chargeStream: <T extends Streamed>(
    caller: Caller,
    options: ChargeOptions<T>,
    run: Run<T>,
  ) => Promise<T>
  /** The value of `WWW-Authenticate`; `undefined` where a new token would not help. */
  challenge: (error: unknown) => string | undefined
  /** The answer to whatever was thrown. What is no refusal is a failure of yours: the log has it. */
  toResponse: (error: unknown) => Response
  revocation: () => RevocationStatus
  /**
   * Reports what was spent and gives back what was borrowed and is not in use, now and not when it
   * runs out. Where nothing goes on after a response, as on some platforms, this belongs to its end.
   */
  flush: () => Promise<void>
  /**
   * Stops what goes on in the background, reports what was spent and gives back the rest of what was
   * borrowed. Wait for it before the process ends: what is not reported is charged in full.
   */
  close: () => Promise<void>
}

const bad = (reason: string, description: string): OAuthError =>
  new OAuthError('invalid_token', { description, reason })

/** What the claims rule out for good, whatever the time. */
const checkUse = ({ mayAct, claims, act, lineage }: AccessToken): void => {
  if (mayAct) throw bad('hand_off_token', 'A hand-off can only be accepted, not used.')
  // RFC 7800, RFC 9449 §7.1: taken as a bearer token it would no longer be bound to its sender.
  if (claims.cnf !== undefined) {
    throw bad('sender_bound_token', 'Tokens bound to their sender are not supported here.')
  }
  const isDelegated = act !== undefined || claims.agent_limits !== undefined
  if (isDelegated && lineage.length === 0) {
    throw bad('missing_lineage', 'The token does not say what it was delegated from.')
  }
}

const checkRevoked = ({ lineage, id }: AccessToken, feed: RevocationFeed): void => {
  if (lineage.some(feed.isRevoked) || feed.isRevoked(id)) {
    throw bad('token_revoked', 'The token, or what it was delegated from, was revoked.')
  }
}

interface KeyName {
  alg: SigningAlgorithm
  kid: string
}

const maxHeaders = 50

interface Parts {
  settings: Settings
  /** What headers say that were spelt so in tokens which were signed by the issuer. */
  headers: Map<string, KeyName>
  keys: KeySet
  feed: RevocationFeed
  cache: VerifiedCache
}

const readHeader = (part: string, { settings }: Parts): KeyName => {
  const name = checkHeader(parseJwsPart(part))
  if (settings.algorithms.includes(name.alg)) return name
  throw bad('unacceptable_algorithm', 'The token is signed in a way we do not accept.')
}

/** The tokens of one key have one header, to the letter. Kept once a signature over it was good. */
const keepHeader = (part: string, name: KeyName, { headers }: Parts): void => {
  if (headers.size >= maxHeaders) headers.clear()
  headers.set(part, name)
}

const verifyToken = async (text: string, parts: Parts): Promise<Verified> => {
  const { header, payload, signature } = splitCompactJws(text)
  const seen = parts.headers.get(header)
  const name = seen ?? readHeader(header, parts)
  const claims = parseJwsPart(payload)
  const bytes = decodeBase64url(signature)
  const key = parts.keys.known(name) ?? (await parts.keys.find(name))
  const isSigned = key.verify(`${header}.${payload}`, bytes)
  // Not awaited where it is known already: a turn of the loop for each token is a price too.
  if (!(typeof isSigned === 'boolean' ? isSigned : await isSigned)) {
    throw bad('bad_signature', 'The signature of the token is wrong.')
  }
  if (!seen) keepHeader(header, name, parts)
  const token = parseAccessToken(claims)
  checkUse(token)
  return { token, caller: toCaller(token, text), key }
}

/** What was verified before, as long as the key that did it is one of the issuer's. */
const recall = (text: string, { cache, keys }: Parts): Verified | undefined => {
  const seen = cache.get(text)
  return seen && keys.holds(seen.key) ? seen : undefined
}

/**
 * Seen before, the signature stands; everything that can change is checked on every use. Waits for
 * nothing where there is nothing to wait for, which is most of the time.
 */
const authenticate = async (text: string, allowStale: boolean, parts: Parts): Promise<Caller> => {
  const { settings, feed, cache } = parts
  const { issuer, audience, now } = settings
  const seen = recall(text, parts)
  const verified = seen ?? (await verifyToken(text, parts))
  checkAccessToken(verified.token, { issuer, audience, now: now() })
  const flight = feed.ensureFresh(allowStale)
  if (flight) await flight
  checkRevoked(verified.token, feed)
  if (!seen) cache.set(verified)
  return verified.caller
}

/** RFC 6750 §3.1: a 401 may say which scope to come back with. */
const withScope = (error: OAuthError, scope: readonly string[]): OAuthError => {
  if (error.code !== 'invalid_token' || scope.length === 0) return error
  const { description, reason, hint, headers } = error
  const details = { ...error.details, scope: formatScope(scope) }
  return new OAuthError('invalid_token', { description, reason, hint, headers, details })
}

const createParts = (settings: Settings) => {
  const discover = createDiscovery(settings)
  const keys = createKeySet(settings, discover)
  const feed = createRevocationFeed(settings, discover, keys)
  return { settings, headers: new Map(), discover, keys, feed, cache: createVerifiedCache() }
}

/**
 * Makes the verifier of one resource server. It fetches nothing until it is first used.
 *
 * @throws TypeError for options that could never work
 */
export const createVerifier = (options: VerifierOptions): Verifier => {
  const settings = checkSettings(options)
  const parts = createParts(settings)
  const budgets = createBudgets(settings, parts.discover, parts.feed)

  const toRefusal = (error: unknown, scope: readonly string[]): OAuthError => {
    if (isOAuthError(error)) return withScope(error, scope)
    settings.logger.error('A token could not be verified.', why(error))
    return new OAuthError('server_error', { reason: 'unexpected', cause: error })
  }
  const verify: Verifier['verify'] = async (input, verifyOptions = {}) => {
    const scope = scopeWords(verifyOptions.requireScope)
    try {
      const text = readToken(input)
      const caller = await authenticate(text, verifyOptions.allowStale === true, parts)
      if (scope.length > 0) requireScope(caller, ...scope)
      if (verifyOptions.countRequest ?? typeof input !== 'string') {
        const counting = budgets.countRequest(caller)
        if (counting) await counting
      }
      return caller
    } catch (error) {
      throw toRefusal(error, scope)
    }
  }
  return Object.freeze({
    verify,
    charge: budgets.charge,
    chargeWithReceipt: budgets.chargeWithReceipt,
    chargeStream: budgets.chargeStream,
    challenge: (error) => challenge(error, settings),
    toResponse: (error) => {
      const { stack } = Object(error) as Error
      if (!isOAuthError(error))
        settings.logger.error('A request has failed.', { ...why(error), stack })
      return toResponse(error, settings)
    },
    revocation: parts.feed.status,
    flush: budgets.flush,
    close: () => {
      parts.feed.close()
      return budgets.close()
    },
  } satisfies Verifier)
}
