/** How often a client asks for another token: a server that refuses them all gets no more than this. */
import { OAuthError } from '@behalf/protocol'

export interface Refusal {
  /** What the server has said it wants. The SDK v1 tells a provider nothing. */
  challenged: string | undefined
  /** The token to come may do more than the one that was refused. */
  isWider: boolean
}

export interface RefusalCount {
  /** @throws OAuthError `too_many_refusals` */
  count(refusal: Refusal): void
  /** A token came: whatever is refused from now on is another refusal. */
  came(): void
  /** The authorization server wants to be asked again. */
  again(): void
}

// The SDKs wait a minute for the answer to one request, so that one call is all within it.
const windowMs = 60_000
/** The SDK v1 asks again for as long as the challenge changes: with the first request it makes three. */
const maxBlind = 2
const maxTold = 10

const refusedAgain = (): OAuthError =>
  new OAuthError('access_denied', {
    description: 'The server refuses every new token, one after the other.',
    reason: 'too_many_refusals',
    hint: 'See what the server says of the last one. A new token will not help.',
  })

/** Those who are refused side by side, before a token comes, are one refusal. */
const createRounds = (now: () => number, most: number) => {
  let rounds: number[] = []
  let isOpen = false
  return {
    count: (): void => {
      const past = rounds.filter((at) => now() - at < windowMs)
      if (isOpen) past.pop()
      if (past.length >= most) throw refusedAgain()
      rounds = [...past, now()]
      isOpen = true
    },
    came: (): void => {
      isOpen = false
    },
  }
}

/** The SDKs post a second time after `invalid_grant` or `invalid_client`: with success, once a minute. */
const createRetries = (now: () => number) => {
  let state: 'none' | 'wanted' | 'made' = 'none'
  let succeededAt = Number.NEGATIVE_INFINITY
  return {
    again: (): void => {
      state = 'wanted'
    },
    /** Is this one a retry? */
    take: (): boolean => {
      if (state !== 'wanted') return false
      state = 'made'
      if (now() - succeededAt < windowMs) throw refusedAgain()
      return true
    },
    came: (): void => {
      if (state === 'made') succeededAt = now()
      state = 'none'
    },
  }
}

/** @param now milliseconds since 1970 */
export const createRefusalCount = (now: () => number): RefusalCount => {
  const blind = createRounds(now, maxBlind)
  const told = createRounds(now, maxTold)
  const retries = createRetries(now)
  return {
    count: ({ challenged, isWider }) => {
      if (retries.take()) return
      if (challenged === undefined) return blind.count()
      // The SDK v2 steps up once for each request.
      if (!isWider) told.count()
    },
    came: () => {
      for (const each of [blind, told, retries]) each.came()
    },
    again: retries.again,
  }
}
