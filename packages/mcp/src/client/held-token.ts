/** The token of one client at one server: kept, renewed by one at a time, and not for ever. */
import { formatScope, isOAuthError, missingScope, OAuthError, readScope } from '@behalf/protocol'
import { createRefusalCount } from './refusal-count.js'
import { createRememberedRefusal } from './remembered-refusal.js'
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
  /** What the refusal has asked for. */
  challenged?: string | undefined
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
  /**
   * Before the SDK posts by itself, where nobody tells what comes back. After a request for which no
   * token came, one is made here for all who wait, so that a refusal is known and remembered.
   *
   * @throws OAuthError what the authorization server has refused a moment ago
   */
  mayAsk(scope: AskedScope): Promise<void>
  save(tokens: IssuedTokens): void
  drop(): void
  /** From now on every refusal is told by {@link HeldToken.refused}. */
  watch(): void
  /** @param challenged the scope that the refusal asks for, where the SDK tells a provider none */
  refused(accessToken: string | undefined, challenged?: string): void
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
  const refusal = createRememberedRefusal(now)
  /** The SDK has posted, and no token has come of it yet. */
  let isUnanswered = false
  let probe: Promise<void> | undefined
  const isNews = (): boolean => !held || (held.used && (held.isRefused || !isWatched))

  const renew = async (alive: Held): Promise<void> => {
    try {
      const { accessToken, scope, expiresAt } = await lock(lockName, () => source.token(kept))
      held = heldOf({ accessToken, scope, expiresAt }, seconds())
    } catch (error) {
      if (!mayKeep(error)) refusal.remember(error)
      // A server that is briefly away does not make a token worthless that still lives.
      if (!mayKeep(error) || seconds() >= alive.expiresAt) throw error
    } finally {
      flight = undefined
    }
  }
  const tryOnce = async (scope: AskedScope): Promise<void> => {
    try {
      await lock(lockName, () => source.token(scope))
    } catch (error) {
      if (mayKeep(error)) return
      refusal.remember(error)
      throw error
    } finally {
      probe = undefined
    }
  }
  return {
    mayAsk: async (scope) => {
      // Whoever posts through our own fetch has its answers.
      if (isWatched) return
      refusal.check()
      if (isUnanswered) {
        probe ??= tryOnce(scope)
        await probe
      }
      isUnanswered = true
    },
    current: async () => {
      if (held && seconds() >= held.refreshAt) {
        refusal.check()
        flight ??= renew(held)
        await flight
      }
      if (held) held.used = true
      return held
    },
    ask: (told) => {
      const challenged = told ?? held?.challenged
      const next = held ? plan.more(held.scope, challenged) : plan.first(challenged)
      const isWider = !!held && !!next && missingScope(next, held.scope).length > 0
      if (isNews()) refusals.count({ challenged: told, isWider })
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
      isUnanswered = false
      refusal.forget()
      refusals.came()
    },
    drop: () => {
      // The SDK tries once more by itself.
      isUnanswered = false
      refusals.again()
      held = undefined
    },
    watch: () => {
      isWatched = true
    },
    refused: (accessToken, challenged) => {
      if (!held || held.accessToken !== accessToken) return
      held.isRefused = true
      held.challenged = challenged ?? held.challenged
    },
    good: (scope = []) => {
      if (!held || held.isRefused || seconds() >= held.refreshAt) return undefined
      if (missingScope(scope, held.scope).length > 0) return undefined
      const { accessToken: access_token, scope: granted } = held
      return { access_token, token_type: 'Bearer', scope: formatScope(granted) }
    },
  }
}
