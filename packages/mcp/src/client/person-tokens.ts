/** A person's tokens, renewed by one process at a time: a rotating refresh token is never used twice. */
import { type Fetch, type RefreshedTokens, refreshTokens } from '@behalf/client'
import { isOAuthError } from '@behalf/protocol'
import type { IssuedTokens, Lock } from './held-token.js'
import type { KeptClient, KeptTokens, PersonStore } from './person-store.js'

export interface PersonTokensOptions {
  store: PersonStore
  resource: string
  client: () => Promise<KeptClient | undefined>
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
  const { store, resource, client, lock, fetch, now } = options
  const seconds = (): number => now() / 1000
  let flight: Promise<KeptTokens | undefined> | undefined

  const refresh = async (kept: KeptTokens, refreshToken: string): Promise<KeptTokens> => {
    const known = await client()
    if (!known) return kept
    const { client_id: clientId, client_secret: clientSecret } = known
    const authMethod = authMethodOf(known)
    const tokenEndpoint = kept.token_endpoint
    const party = { tokenEndpoint, clientId, clientSecret, authMethod }
    const fresh = await refreshTokens({ ...party, refreshToken, resource, fetch })
    const next = renewed(kept, fresh, seconds())
    await store.tokens.write(next)
    return next
  }
  /** Under the lock: read again, since another process may have done it by now. */
  const renew = async (): Promise<KeptTokens | undefined> => {
    const kept = await store.tokens.read()
    if (!kept?.refresh_token || seconds() < kept.refresh_at) return kept
    try {
      return await refresh(kept, kept.refresh_token)
    } catch (error) {
      if (isOver(error)) {
        await store.tokens.write(undefined)
        return undefined
      }
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
      const kept = await store.tokens.read()
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
