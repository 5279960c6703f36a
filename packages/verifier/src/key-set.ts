/** The keys of the issuer: fetched when needed, kept a while, never taken from a token. RFC 7517. */
import { isOAuthError, OAuthError, type SigningAlgorithm } from '@behalf/protocol'
import type { Discovery } from './discovery.js'
import { requestJson, unavailable, why } from './http.js'
import { createRefresher } from './refresher.js'
import type { Settings } from './settings.js'
import { importVerificationKey, type VerificationKey } from './verification-key.js'

export interface FindKeyOptions {
  /** True for a `kid` that came from the issuer itself, which no attacker can make up. */
  fromIssuer?: boolean
}

export interface KeySet {
  /** @throws OAuthError `invalid_token` for an unknown key, `temporarily_unavailable` without keys */
  find: (
    name: { alg: SigningAlgorithm; kid: string },
    options?: FindKeyOptions,
  ) => Promise<VerificationKey>
  /** The same without a wait: `undefined` when there is anything to wait for. */
  known: (name: { alg: SigningAlgorithm; kid: string }) => VerificationKey | undefined
  /** Is this very key still one of a set that is fresh? */
  holds: (key: VerificationKey) => boolean
}

type Keys = ReadonlyMap<string, VerificationKey>

const maxKeys = 50
/** The cooldown when the issuer itself names a key that we do not know: a rotation in a hurry. */
const fromIssuerSeconds = 5

const nameOf = ({ alg, kid }: { alg: string; kid: string }): string => `${alg} ${kid}`

const listKeys = ({ keys }: Record<string, unknown>): Record<string, unknown>[] => {
  if (!Array.isArray(keys)) throw unavailable('malformed_jwks')
  return keys.slice(0, maxKeys).filter((key) => typeof key === 'object' && key !== null)
}

/** A key that was there before stays the same object, so what it has verified stays verified. */
const importKeys = async (document: Record<string, unknown>, before: Keys): Promise<Keys> => {
  const keys = new Map<string, VerificationKey>()
  for (const jwk of listKeys(document)) {
    const key = await importVerificationKey(jwk)
    if (!key || keys.has(nameOf(key))) continue
    const old = before.get(nameOf(key))
    keys.set(nameOf(key), old?.thumbprint === key.thumbprint ? old : key)
  }
  return keys
}

const unknownKey = (): OAuthError =>
  new OAuthError('invalid_token', {
    description: 'The token is signed with a key that its issuer does not have.',
    reason: 'unknown_key',
  })

export const createKeySet = (settings: Settings, discover: Discovery): KeySet => {
  const { now, logger, jwks } = settings
  let keys: Keys = new Map()
  let held: ReadonlySet<VerificationKey> = new Set()
  let loadedAt = Number.NEGATIVE_INFINITY

  const load = async (): Promise<void> => {
    const startedAt = now()
    const { jwks_uri: uri } = await discover()
    if (uri === undefined) throw unavailable('no_jwks_uri')
    keys = await importKeys(await requestJson(uri, settings), keys)
    held = new Set(keys.values())
    loadedAt = startedAt
  }
  const refresher = createRefresher({
    now,
    load,
    onFailure: (error) => logger.warn('The keys of the issuer cannot be fetched.', why(error)),
  })
  const age = (): number => Math.abs(now() - loadedAt)

  const keysUnavailable = (): OAuthError => {
    const cause = refresher.error()
    return isOAuthError(cause) && cause.reason === 'metadata_unavailable'
      ? cause
      : unavailable('keys_unavailable', { retryAfterSeconds: refresher.pause(), cause })
  }
  /** Old keys serve while the server is away, for a bounded time, and nobody waits for it twice. */
  const ready = async (): Promise<void> => {
    if (age() > jwks.cacheSeconds && refresher.pause() === 0) {
      const flight = refresher.refresh()
      if (refresher.error() === undefined || age() > jwks.maxStaleSeconds) await flight
    }
    if (age() > jwks.maxStaleSeconds) throw keysUnavailable()
  }
  const lookAgain = async ({ fromIssuer = false }: FindKeyOptions): Promise<void> => {
    const { cooldownSeconds: most } = jwks
    const cooldown = fromIssuer ? Math.min(most, fromIssuerSeconds) : most
    const failed = refresher.error() !== undefined
    const due = failed ? refresher.pause() === 0 : refresher.sinceAttempt() >= cooldown
    if (due) await refresher.refresh()
  }
  return {
    find: async (name, options = {}) => {
      await ready()
      const known = keys.get(nameOf(name))
      if (known) return known
      await lookAgain(options)
      const found = keys.get(nameOf(name))
      if (found) return found
      // The key may be one of those that could not be fetched: that is no verdict on the token.
      throw refresher.error() === undefined ? unknownKey() : keysUnavailable()
    },
    known: (name) => (age() <= jwks.cacheSeconds ? keys.get(nameOf(name)) : undefined),
    holds: (key) => age() <= jwks.cacheSeconds && held.has(key),
  }
}
