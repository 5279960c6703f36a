/** Where the tokens of a run come from. The better the source, the more checks can run. */
import { basicAuthorization, metadataUrl, parseMetadata } from '@behalf/protocol'
import { readObject, type Send } from './http.js'
import type { Members } from './signing.js'

export interface TokenRequest {
  resource: string
  scope: readonly string[]
}

export interface TokenChanges {
  /** Members that replace those of a good token's header. `undefined` leaves one out. */
  header?: Members
  /** The same for its claims; or a payload as it is. */
  claims?: Members | string
}

/** Tokens that only an issuer can make: give those that you can get. */
export const suppliedKinds = [
  'expired',
  'notYetValid',
  'wrongAudience',
  'wrongIssuer',
  'insufficientScope',
  'revoked',
  'limitsExceeded',
  'otherCaller',
] as const

export type SuppliedKind = (typeof suppliedKinds)[number]

export type SuppliedTokens = {
  readonly [Kind in SuppliedKind]?: string | (() => Promise<string>) | undefined
}

export interface TokenSource {
  /** The issuer that the server trusts, exactly as it spells itself. */
  readonly issuer?: string | undefined
  /** A token that the server should take. */
  good: (request: TokenRequest) => Promise<string>
  /** Any token at all, truly signed. Only the kit's own issuer can. */
  mint?: ((request: TokenRequest, changes: TokenChanges) => Promise<string>) | undefined
  revoke?: ((token: string) => Promise<void>) | undefined
  /** How often its keys were asked for. */
  jwksFetches?: (() => number) | undefined
  readonly supplied?: SuppliedTokens | undefined
}

/** A token in hand, or a way to get one, and whatever others there are. */
export const tokensFrom = (
  good: string | (() => Promise<string>),
  supplied: SuppliedTokens = {},
): TokenSource => ({ good: async () => (typeof good === 'string' ? good : await good()), supplied })

export interface ClientCredentials {
  issuer: string
  clientId: string
  clientSecret: string
  supplied?: SuppliedTokens | undefined
}

const tokenEndpoint = async (issuer: string, send: Send): Promise<string> => {
  const headers = { accept: 'application/json' }
  const answer = await send({ url: metadataUrl(issuer), method: 'GET', headers })
  return parseMetadata(issuer, readObject(answer.text)).token_endpoint
}

const post = async (
  url: string,
  { clientId, clientSecret }: ClientCredentials,
  form: Record<string, string>,
  send: Send,
): Promise<string> => {
  const answer = await send({
    url,
    method: 'POST',
    headers: {
      authorization: basicAuthorization(clientId, clientSecret),
      'content-type': 'application/x-www-form-urlencoded',
    },
    body: new URLSearchParams(form).toString(),
  })
  const body = readObject(answer.text)
  if (typeof body?.access_token === 'string') return body.access_token
  throw new Error(
    `The token endpoint answered ${answer.status} ${String(body?.error ?? '')}`.trim(),
  )
}

/** RFC 6749 §4.4, with RFC 8707. A token for the issuer itself is also one for another audience. */
export const tokensByClientCredentials = (
  credentials: ClientCredentials,
  send: Send,
): TokenSource => {
  const { issuer, supplied } = credentials
  const request = async (resource: string, scope: readonly string[] = []): Promise<string> => {
    const form = { grant_type: 'client_credentials', resource }
    const words = scope.length > 0 ? { scope: scope.join(' ') } : {}
    return post(await tokenEndpoint(issuer, send), credentials, { ...form, ...words }, send)
  }
  return {
    issuer,
    good: ({ resource, scope }) => request(resource, scope),
    supplied: { wrongAudience: () => request(issuer), ...supplied },
  }
}
