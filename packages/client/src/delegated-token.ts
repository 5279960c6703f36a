/** Authority that was lent to this agent, ready to use. */
import { OAuthError } from '@behalf/protocol'
import type { ExchangedToken } from './agent-token.js'
import { authorizedFetch, checkOrigin, type TokenSource } from './authorized-fetch.js'
import { hide } from './hidden.js'
import type { Settings } from './settings.js'
import { createTokenCache } from './token-cache.js'

/**
 * An accepted hand-off. It reads as the token it holds now; {@link DelegatedToken.token} renews that
 * for as long as the hand-off lives.
 */
export interface DelegatedToken extends ExchangedToken {
  /** The token, renewed when it is about to expire. */
  token(): Promise<ExchangedToken>
  /** As `fetch`, with the token. To the origin of its resource only. */
  fetch(input: string | URL | Request, init?: RequestInit): Promise<Response>
}

export interface DelegatedTokenOptions {
  settings: Settings
  first: ExchangedToken
  /** Accepts the hand-off again. */
  accept: () => Promise<ExchangedToken>
  /** When the hand-off ends, in seconds since 1970. */
  handOffExpiresAt: number
}

const expired = (): OAuthError =>
  new OAuthError('invalid_token', {
    description: 'The hand-off has expired, and the token with it.',
    reason: 'hand_off_expired',
    hint: 'Ask the agent that gave the task for a new hand-off.',
  })

/** The audience at this origin. There is none: the token may not go there. */
const resourceAt = ({ audience }: ExchangedToken, url: URL): string => {
  const isThere = (resource: string): boolean =>
    URL.canParse(resource) && new URL(resource).origin === url.origin
  const resource = audience.find(isThere) ?? audience[0] ?? ''
  checkOrigin(resource, url)
  return resource
}

/** One kept token, with the way to a new one. */
const createSession = ({ settings, first, accept, handOffExpiresAt }: DelegatedTokenOptions) => {
  const cache = createTokenCache<ExchangedToken>({ now: settings.now, maxEntries: 1 })
  let current = first
  const renew = async (): Promise<ExchangedToken> => {
    if (settings.now() / 1000 >= handOffExpiresAt) throw expired()
    current = await accept()
    return current
  }
  cache.put('', first)
  return {
    current: () => current,
    token: () => cache.get('', renew),
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
})

export const createDelegatedToken = (
  options: DelegatedTokenOptions,
): { delegated: DelegatedToken; drop: (accessToken: string) => void } => {
  const session = createSession(options)
  const source: TokenSource = {
    fetch: options.settings.fetch,
    access: (url) => ({ resource: resourceAt(session.current(), url), scope: [] }),
    token: session.token,
    drop: ({ accessToken }) => session.drop(accessToken),
  }
  const delegated = Object.assign(membersOf(session.current), {
    token: session.token,
    fetch: (input: string | URL | Request, init?: RequestInit) =>
      authorizedFetch(source, input, init),
  })
  return { delegated: hide(delegated, 'accessToken'), drop: session.drop }
}
