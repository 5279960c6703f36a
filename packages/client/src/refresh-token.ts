/** Tokens of a person, renewed without the person. RFC 6749 §6. */
import { formatScope, isSecureUrl } from '@behalf/protocol'
import { readResources, readScopeOption, type ScopeOption } from './asked.js'
import { withoutSecret, withSecret } from './client-authentication.js'
import { hide } from './hidden.js'
import { checkTimeout, type Fetch, platformFetch } from './settings.js'
import { type Form, parseTokenResponse, postForm } from './token-endpoint.js'

export interface RefreshTokensOptions {
  /** From the metadata of the server that issued the refresh token, and from nowhere else. */
  tokenEndpoint: string
  clientId: string
  /** Absent: a public client. */
  clientSecret?: string | undefined
  authMethod?: 'client_secret_basic' | 'client_secret_post' | undefined
  refreshToken: string
  resource?: string | undefined
  /** Absent: what was consented to. */
  scope?: ScopeOption
  fetch?: Fetch | undefined
  /** @defaultValue 10000 */
  timeoutMs?: number | undefined
}

/** The tokens are not enumerable: absent from JSON and from logs. */
export interface RefreshedTokens {
  readonly accessToken: string
  /** `undefined`: the old one stays good. */
  readonly refreshToken: string | undefined
  readonly lifeSeconds: number | undefined
  readonly scope: string | undefined
}

const formOf = ({ refreshToken, resource, scope }: RefreshTokensOptions): Form => [
  ['grant_type', 'refresh_token'],
  ['refresh_token', refreshToken],
  ...readResources(resource).map((one) => ['resource', one] as const),
  ['scope', formatScope(readScopeOption(scope)) || undefined],
]

const authenticationOf = (options: RefreshTokensOptions) =>
  options.clientSecret === undefined
    ? withoutSecret(options.clientId)
    : withSecret(options, options.clientSecret)

/**
 * Uses a refresh token once. Servers rotate them: what comes back takes its place, and whoever uses the
 * old one again may lose both. So hold a lock around it.
 *
 * @throws OAuthError `invalid_grant` when the person has to sign in again
 */
export const refreshTokens = async (options: RefreshTokensOptions): Promise<RefreshedTokens> => {
  const { tokenEndpoint, fetch = platformFetch, timeoutMs } = options
  if (!isSecureUrl(tokenEndpoint)) throw new TypeError('tokenEndpoint must be https.')
  const authentication = authenticationOf(options)
  const settings = { fetch, timeoutMs: checkTimeout(timeoutMs), authentication, now: Date.now }
  const { body } = await postForm(tokenEndpoint, formOf(options), settings)
  const response = parseTokenResponse(body, 'Bearer')
  return hide(
    {
      accessToken: response.access_token,
      refreshToken: response.refresh_token,
      lifeSeconds: response.expires_in,
      scope: response.scope,
    },
    'accessToken',
    'refreshToken',
  )
}
