/** Tokens kept until shortly before they expire, each asked for once however many wait for it. */
import { isOAuthError } from '@behalf/protocol'

/** What the cache has to know of a token. */
export interface Expiring {
  readonly accessToken: string
  /** Seconds since 1970. */
  readonly expiresAt: number
}

export interface TokenCache<T extends Expiring> {
  /**
   * The token under this key: kept, on its way, or loaded now. One with less than `minSeconds` left,
   * or less than half of its life where that is shorter, does not do.
   */
  get(key: string, load: () => Promise<T>, minSeconds?: number): Promise<T>
  put(key: string, token: T): void
  /** Forgets a token that was refused or revoked, and no newer one that has taken its place. */
  drop(accessToken: string): void
  dropWhere(isGone: (token: T) => boolean): void
}

export interface TokenCacheOptions {
  /** Milliseconds since 1970. */
  now: () => number
  /** @defaultValue 500 */
  maxEntries?: number
}

const marginSeconds = 30
const marginShare = 0.1

/** A server that is briefly away does not make a token that still lives worthless. */
const maySuffice = (error: unknown): boolean =>
  isOAuthError(error) &&
  (error.code === 'temporarily_unavailable' ||
    error.code === 'rate_limited' ||
    error.reason === 'hand_off_expired')

interface Entry<T> {
  token: T
  life: number
  refreshAt: number
}

export const createTokenCache = <T extends Expiring>({
  now,
  maxEntries = 500,
}: TokenCacheOptions): TokenCache<T> => {
  const entries = new Map<string, Entry<T>>()
  const flights = new Map<string, Promise<T>>()
  const seconds = (): number => now() / 1000

  const touch = (key: string, entry: Entry<T>): void => {
    entries.delete(key)
    entries.set(key, entry)
    const [oldest] = entries.keys()
    if (entries.size > maxEntries && oldest !== undefined) entries.delete(oldest)
  }
  const put = (key: string, token: T): void => {
    const life = token.expiresAt - seconds()
    const margin = Math.min(marginSeconds, life * marginShare)
    if (life > 0) touch(key, { token, life, refreshAt: token.expiresAt - margin })
  }
  const suffices = ({ token, life, refreshAt }: Entry<T>, minSeconds: number): boolean =>
    seconds() < refreshAt && token.expiresAt - seconds() >= Math.min(minSeconds, life / 2)
  const dropWhere = (isGone: (token: T) => boolean): void => {
    for (const [key, { token }] of entries) if (isGone(token)) entries.delete(key)
  }
  const fly = async (key: string, load: () => Promise<T>): Promise<T> => {
    try {
      const token = await Promise.resolve().then(load)
      put(key, token)
      return token
    } catch (error) {
      const kept = entries.get(key)?.token
      if (kept && maySuffice(error) && seconds() < kept.expiresAt) return kept
      throw error
    } finally {
      flights.delete(key)
    }
  }
  return {
    put,
    get: async (key, load, minSeconds = 0) => {
      const entry = entries.get(key)
      if (entry && suffices(entry, minSeconds)) {
        touch(key, entry)
        return entry.token
      }
      const flight = flights.get(key) ?? fly(key, load)
      flights.set(key, flight)
      return flight
    },
    drop: (accessToken) => dropWhere((token) => token.accessToken === accessToken),
    dropWhere,
  }
}
