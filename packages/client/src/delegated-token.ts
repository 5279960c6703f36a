/** Authority that was lent to this agent, ready to use. */
import { isOAuthError, OAuthError } from '@behalf/protocol'
import type { ExchangedToken } from './agent-token.js'
import {
  authorizedFetch,
  type CarriedBy,
  checkOrigin,
  type TokenSource,
} from './authorized-fetch.js'
import { hide } from './hidden.js'
import { type LimitOptions, limitErrorsOf, passLimit } from './limit-response.js'
import { actorNames, authorityWords, chainWords, instantWords } from './plain-words.js'
import type { Settings } from './settings.js'
import type { TakenBack } from './taken-back.js'
import { createTokenCache } from './token-cache.js'
import type { TokenRequest } from './token-request.js'

/**
 * An accepted hand-off. It reads as the token it holds now; {@link DelegatedToken.token} renews that
 * for as long as the hand-off lives.
 */
export interface DelegatedToken extends ExchangedToken {
  /** The token, renewed when it is about to expire. */
  token(): Promise<ExchangedToken>
  /** As `fetch`, with the token. To the origin of its resource only. */
  fetch(
    input: string | URL | Request,
    init?: RequestInit,
    options?: LimitOptions & CarriedBy,
  ): Promise<Response>
  /** What {@link DelegatedToken.token} would post, for a library that posts it itself. */
  tokenRequest(): Promise<TokenRequest>
  /** Who acts for whom, with what, until when: two lines of plain words, without the token. */
  describe(): string
}

export interface DelegatedTokenOptions {
  settings: Settings
  first: ExchangedToken
  /** Accepts the hand-off again. */
  accept: () => Promise<ExchangedToken>
  tokenRequest: () => Promise<TokenRequest>
  /** When the hand-off ends, in seconds since 1970. */
  handOffExpiresAt: number
  takenBack: TakenBack
}

const expired = (): OAuthError =>
  new OAuthError('invalid_token', {
    description: 'The hand-off has expired, and the token with it.',
    reason: 'hand_off_expired',
    hint: 'Ask the agent that gave the task for a new hand-off.',
  })

/** Refusals that say: what the hand-off stands on is over, and asking again is of no use. */
const endings: ReadonlySet<string | undefined> = new Set([
  'subject_token_revoked',
  'subject_token_token_expired',
  'delegation_revoked',
  'hand_off_expired',
])

const ended = (cause: OAuthError): OAuthError =>
  new OAuthError('invalid_token', {
    description: 'What was lent has ended.',
    reason: 'delegation_ended',
    hint: 'The lender took it back or it expired: ask for a new hand-off.',
    cause,
  })

const endingOf = (error: unknown): unknown =>
  isOAuthError(error) && endings.has(error.reason) ? ended(error) : error

/** The audience at this origin. There is none: the token may not go there. */
const resourceAt = ({ audience }: ExchangedToken, url: URL): string => {
  const isThere = (resource: string): boolean =>
    URL.canParse(resource) && new URL(resource).origin === url.origin
  const resource = audience.find(isThere) ?? audience[0] ?? ''
  checkOrigin(resource, url)
  return resource
}

/** One kept token, with the way to a new one. */
const createSession = (options: DelegatedTokenOptions) => {
  const { settings, first, accept, handOffExpiresAt, takenBack } = options
  const cache = createTokenCache<ExchangedToken>({ now: settings.now, maxEntries: 1 })
  let current = first
  const renew = async (): Promise<ExchangedToken> => {
    if (settings.now() / 1000 >= handOffExpiresAt) throw expired()
    current = await accept()
    return current
  }
  const token = async (): Promise<ExchangedToken> => {
    if (takenBack.has(current.lineage)) cache.drop(current.accessToken)
    try {
      return await cache.get('', renew)
    } catch (error) {
      throw endingOf(error)
    }
  }
  cache.put('', first)
  return {
    current: () => current,
    token,
    drop: (accessToken: string) => cache.drop(accessToken),
  }
}

/** The members of a token, each as the session's token of the moment has it. */
const membersOf = (current: () => ExchangedToken): ExchangedToken => ({
  get accessToken() {
    return current().accessToken
  },
  get expiresAt() {
    return current().expiresAt
  },
  get scope() {
    return current().scope
  },
  get resource() {
    return current().resource
  },
  get tokenType() {
    return current().tokenType
  },
  get audience() {
    return current().audience
  },
  get subject() {
    return current().subject
  },
  get actor() {
    return current().actor
  },
  get chain() {
    return current().chain
  },
  get lineage() {
    return current().lineage
  },
  get delegationId() {
    return current().delegationId
  },
  get limits() {
    return current().limits
  },
  get narrowed() {
    return current().narrowed
  },
})

const describe = (token: ExchangedToken, until: number): string => {
  const { chain, subject, audience, delegationId } = token
  const chainText = chainWords(actorNames(chain), subject)
  return [
    `${chainText}: ${authorityWords({ ...token, resources: audience })}.`,
    `Delegation ${delegationId ?? 'unknown'}, until ${instantWords(until)}.`,
  ].join('\n')
}

/** No token is asked for with a hand-off that has ended. */
const checkedRequest = async (options: DelegatedTokenOptions): Promise<TokenRequest> => {
  if (options.settings.now() / 1000 >= options.handOffExpiresAt) throw ended(expired())
  return options.tokenRequest()
}

export const createDelegatedToken = (options: DelegatedTokenOptions): DelegatedToken => {
  const session = createSession(options)
  const source: Omit<TokenSource, 'fetch'> = {
    access: (url) => ({ resource: resourceAt(session.current(), url), scope: [] }),
    token: session.token,
    drop: ({ accessToken }) => session.drop(accessToken),
  }
  const delegated = Object.assign(membersOf(session.current), {
    token: session.token,
    tokenRequest: () => checkedRequest(options),
    fetch: async (
      input: string | URL | Request,
      init?: RequestInit,
      asked?: LimitOptions & CarriedBy,
    ) => {
      const limitErrors = limitErrorsOf(options.settings, asked)
      const fetch = asked?.fetch ?? options.settings.fetch
      const response = await authorizedFetch({ ...source, fetch }, input, init)
      return passLimit(response, limitErrors, options.settings)
    },
    describe: () => describe(session.current(), options.handOffExpiresAt),
  })
  return hide(delegated, 'accessToken')
}
