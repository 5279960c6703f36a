/** The token of one client at one server: kept, renewed by one at a time, and not for ever. */
import { formatScope, isOAuthError, missingScope, OAuthError, readScope } from '@behalf/protocol'
import { createRefusalCount } from './refusal-count.js'
import type { AskedScope, ScopePlan } from './scope-plan.js'
import type { TokenSource } from './token-source.js'

/**
 * Runs one at a time under one name, in all processes that share the lock: a lock file, an advisory
 * lock of a database. What `run` gives or throws is passed on.
 */
export type Lock = <T>(name: string, run: () => Promise<T>) => Promise<T>

/** As the SDKs hand it over. */
export interface IssuedTokens {
  access_token: string
  token_type: string
  expires_in?: number | undefined
  scope?: string | undefined
}

interface Held {
  accessToken: string
  scope: readonly string[]
  expiresAt: number
  refreshAt: number
  /** A request has gone out with it, so that it is this one that was refused. */
  used: boolean
  /** Seen by {@link HeldToken.refused}. */
  isRefused: boolean
}

export interface HeldTokenOptions {
  source: TokenSource
  plan: ScopePlan
  lock: Lock
  lockName: string
  /** Milliseconds since 1970. */
  now: () => number
}

export interface HeldToken {
  /** `undefined` until the first one was saved. */
  current(): Promise<{ accessToken: string; scope: readonly string[] } | undefined>
  /** Which scope to ask for, now that the server has refused. */
  ask(challenged: string | undefined): AskedScope
  save(tokens: IssuedTokens): void
  drop(): void
  /** From now on every refusal is told by {@link HeldToken.refused}. */
  watch(): void
  refused(accessToken: string | undefined): void
  /** What is held, for one who comes with the refusal of a token before it. */
  good(scope: AskedScope): IssuedTokens | undefined
}

const marginSeconds = 30
const marginShare = 0.1

const notBearer = (): OAuthError =>
  new OAuthError('server_error', {
    description: 'The server issued a token of another type than "Bearer".',
    reason: 'unexpected_token_type',
  })

const heldOf = (
  token: Pick<Held, 'accessToken' | 'scope' | 'expiresAt'>,
  seconds: number,
): Held => {
  const margin = Math.min(marginSeconds, (token.expiresAt - seconds) * marginShare)
  return { ...token, refreshAt: token.expiresAt - margin, used: false, isRefused: false }
}

const mayKeep = (error: unknown): boolean =>
  isOAuthError(error) && (error.code === 'temporarily_unavailable' || error.code === 'rate_limited')

export const createHeldToken = (options: HeldTokenOptions): HeldToken => {
  const { source, plan, lock, lockName, now } = options
  const refusals = createRefusalCount(now)
  const seconds = (): number => now() / 1000
  let held: Held | undefined
  let asked: AskedScope
  /** What renewals ask for: what was asked and given. */
  let kept: AskedScope
  let flight: Promise<void> | undefined
  let isWatched = false
  const isNews = (): boolean => !held || (held.used && (held.isRefused || !isWatched))

  const renew = async (alive: Held): Promise<void> => {
    try {
      const { accessToken, scope, expiresAt } = await lock(lockName, () => source.token(kept))
      held = heldOf({ accessToken, scope, expiresAt }, seconds())
    } catch (error) {
      // A server that is briefly away does not make a token worthless that still lives.
      if (!mayKeep(error) || seconds() >= alive.expiresAt) throw error
    } finally {
      flight = undefined
    }
  }
  return {
    current: async () => {
      if (held && seconds() >= held.refreshAt) {
        flight ??= renew(held)
        await flight
      }
      if (held) held.used = true
      return held
    },
    ask: (challenged) => {
      const next = held ? plan.more(held.scope, challenged) : plan.first(challenged)
      const isWider = !!held && !!next && missingScope(next, held.scope).length > 0
      if (isNews()) refusals.count({ challenged, isWider })
      asked = next
      return asked
    },
    save: ({ access_token: accessToken, token_type, expires_in, scope }) => {
      if (token_type.toLowerCase() !== 'bearer') throw notBearer()
      if (held?.accessToken === accessToken) return
      const granted = readScope(scope ?? formatScope(asked ?? [])) ?? []
      kept = asked && granted
      // Without a word of how long it lives, it is good until it is refused.
      const expiresAt = seconds() + (expires_in ?? Number.POSITIVE_INFINITY)
      held = heldOf({ accessToken, scope: granted, expiresAt }, seconds())
      refusals.came()
    },
    drop: () => {
      refusals.again()
      held = undefined
    },
    watch: () => {
      isWatched = true
    },
    refused: (accessToken) => {
      if (held && held.accessToken === accessToken) held.isRefused = true
    },
    good: (scope = []) => {
      if (!held || held.isRefused || seconds() >= held.refreshAt) return undefined
      if (missingScope(scope, held.scope).length > 0) return undefined
      const { accessToken: access_token, scope: granted } = held
      return { access_token, token_type: 'Bearer', scope: formatScope(granted) }
    },
  }
}
