/** A person's tokens, renewed by one process at a time: a rotating refresh token is never used twice. */
import { type Fetch, type RefreshedTokens, refreshTokens } from '@behalf/client'
import { isOAuthError } from '@behalf/protocol'
import type { IssuedTokens, Lock } from './held-token.js'
import type { KeptClient, KeptTokens, PersonStore } from './person-store.js'

export interface PersonTokensOptions {
  store: PersonStore
  resource: string
  client: () => Promise<KeptClient | undefined>
  /** Tokens of another issuer are not used. */
  expectedIssuer: string | undefined
  lock: Lock
  fetch: Fetch | undefined
  /** Milliseconds since 1970. */
  now: () => number
}

export interface PersonTokens {
  /** `undefined` when the person has to sign in. */
  current(): Promise<KeptTokens | undefined>
  save(tokens: IssuedTokens & { refresh_token?: string | undefined }, from: Origin): Promise<void>
}

/** Who has issued them, and where they are renewed. */
export type Origin = Pick<KeptTokens, 'issuer' | 'token_endpoint'>

const marginSeconds = 30
const marginShare = 0.1
/** For a server that does not say how long a token lives: then a 401 says it. */
const unknownLife = 10 * 365 * 86_400

const times = (life: number, seconds: number): Pick<KeptTokens, 'expires_at' | 'refresh_at'> => ({
  expires_at: seconds + life,
  refresh_at: seconds + life - Math.min(marginSeconds, life * marginShare),
})

const authMethodOf = ({
  token_endpoint_auth_method: method,
}: KeptClient): 'client_secret_post' | undefined =>
  method === 'client_secret_post' ? method : undefined

const renewed = (old: KeptTokens, fresh: RefreshedTokens, seconds: number): KeptTokens => ({
  ...old,
  access_token: fresh.accessToken,
  // RFC 6749 §6: without a new one, the old one stays good.
  ...(fresh.refreshToken !== undefined && { refresh_token: fresh.refreshToken }),
  scope: fresh.scope ?? old.scope,
  ...times(fresh.lifeSeconds ?? unknownLife, seconds),
})

const isOver = (error: unknown): boolean => isOAuthError(error) && error.code === 'invalid_grant'

export const createPersonTokens = (options: PersonTokensOptions): PersonTokens => {
  const { store, resource, client, expectedIssuer, lock, fetch, now } = options
  const seconds = (): number => now() / 1000
  let flight: Promise<KeptTokens | undefined> | undefined

  const read = async (): Promise<KeptTokens | undefined> => {
    const kept = await store.tokens.read()
    return expectedIssuer === undefined || kept?.issuer === expectedIssuer ? kept : undefined
  }
  /** Unless it was forgotten meanwhile, or a new sign-in has taken its place. */
  const replace = async (
    refreshToken: string,
    next: KeptTokens | undefined,
  ): Promise<KeptTokens | undefined> => {
    const kept = await read()
    if (kept?.refresh_token !== refreshToken) return kept
    await store.tokens.write(next)
    return next
  }
  const refresh = async (
    kept: KeptTokens,
    refreshToken: string,
  ): Promise<KeptTokens | undefined> => {
    const known = await client()
    // A server may have moved: the secret of one is never sent to another.
    if (!known || (known.issuer ?? kept.issuer) !== kept.issuer) return kept
    const { client_id: clientId, client_secret: clientSecret } = known
    const authMethod = authMethodOf(known)
    const tokenEndpoint = kept.token_endpoint
    const party = { tokenEndpoint, clientId, clientSecret, authMethod }
    const fresh = await refreshTokens({ ...party, refreshToken, resource, fetch })
    return replace(refreshToken, renewed(kept, fresh, seconds()))
  }
  /** Under the lock: read again, since another process may have done it by now. */
  const renew = async (): Promise<KeptTokens | undefined> => {
    const kept = await read()
    if (!kept?.refresh_token || seconds() < kept.refresh_at) return kept
    try {
      return await refresh(kept, kept.refresh_token)
    } catch (error) {
      if (isOver(error)) return replace(kept.refresh_token, undefined)
      if (seconds() < kept.expires_at) return kept
      throw error
    }
  }
  const renewOnce = (): Promise<KeptTokens | undefined> => {
    flight ??= lock(`behalf:person:${resource}`, renew).finally(() => {
      flight = undefined
    })
    return flight
  }
  return {
    current: async () => {
      const kept = await read()
      const isDue = kept?.refresh_token !== undefined && seconds() >= kept.refresh_at
      return isDue ? renewOnce() : kept
    },
    save: async ({ access_token, refresh_token, scope = '', expires_in }, from) =>
      store.tokens.write({
        access_token,
        ...(refresh_token !== undefined && { refresh_token }),
        scope,
        ...from,
        ...times(expires_in ?? unknownLife, seconds()),
      }),
  }
}
