/** Tokens as the SDK hands them out: read, not verified, and never shown. */
import {
  type AccessToken,
  type Actor,
  type AgentLimitsClaim,
  actorChain,
  agentLimitsClaim,
  currentActor,
  type NarrowingReport,
  OAuthError,
  parseAccessToken,
  parseCompactJws,
} from '@behalf/protocol'
import { hide } from './hidden.js'
import type { IssuedToken } from './token-endpoint.js'

/** A bearer token for one resource. */
export interface AgentToken {
  /** The credential. Not enumerable: absent from JSON and from logs. */
  readonly accessToken: string
  /** Seconds since 1970, by this machine's clock. */
  readonly expiresAt: number
  readonly scope: readonly string[]
  readonly resource: string | undefined
  /** As spelt on the wire; an absent member does not limit. */
  readonly limits: AgentLimitsClaim
  /** What was asked for and cut, by its wire name. `undefined`: nothing was. */
  readonly narrowed: NarrowingReport | undefined
  /** The delegations from the root to this token's own. Read from the token, not verified. */
  readonly lineage: readonly string[]
  /** This token's own delegation: the last of its lineage. */
  readonly delegationId: string | undefined
}

/** What a token exchange gave, with what the token says of its chain. Not verified. */
export interface ExchangedToken extends AgentToken {
  /** `N_A`: a hand-off, good for nothing but being accepted. */
  readonly tokenType: 'Bearer' | 'N_A'
  readonly audience: readonly string[]
  /** The principal acted for. */
  readonly subject: string
  /** The one who acts now. */
  readonly actor: string
  /** Who acts now, then who lent it to them, outermost first. */
  readonly chain: readonly Actor[]
}

/** What a token says, where it is one of ours to read. */
export const readToken = (accessToken: string): AccessToken | undefined => {
  try {
    return parseAccessToken(parseCompactJws(accessToken).payload)
  } catch {
    return undefined
  }
}

/** The least of what the answer and the token say. Without either, it is not kept at all. */
const expiryOf = (issued: IssuedToken, claims: AccessToken | undefined): number => {
  const lives = [issued.lifeSeconds, claims && claims.expiresAt - claims.issuedAt]
  const known = lives.filter((life) => life !== undefined)
  return issued.requestedAt + (known.length === 0 ? 0 : Math.max(0, Math.min(...known)))
}

const scopeOf = (issued: IssuedToken, claims: AccessToken | undefined, asked: readonly string[]) =>
  issued.scope ?? (asked.length > 0 ? asked : (claims?.scope ?? []))

const only = (values: readonly string[] | undefined): string | undefined =>
  values?.length === 1 ? values[0] : undefined

export interface Asked {
  resources: readonly string[]
  scope: readonly string[]
}

export const agentToken = (issued: IssuedToken, asked: Asked): AgentToken => {
  const claims = readToken(issued.accessToken)
  return hide(
    {
      accessToken: issued.accessToken,
      expiresAt: expiryOf(issued, claims),
      scope: scopeOf(issued, claims, asked.scope),
      resource: only(asked.resources) ?? only(claims?.audience),
      limits: issued.limits ?? (claims ? agentLimitsClaim(claims.limits) : {}),
      narrowed: issued.narrowed,
      lineage: claims?.lineage ?? [],
      delegationId: claims?.lineage.at(-1),
    },
    'accessToken',
  )
}

export const unreadableToken = (): OAuthError =>
  new OAuthError('server_error', {
    description: 'The server issued a token that cannot be read.',
    reason: 'unreadable_token',
    hint: 'Check that the issuer is a Behalf server, and that this package is not older than it.',
  })

/** @throws OAuthError `server_error` when the token is not one of ours to read */
export const exchangedToken = (issued: IssuedToken, asked: Asked): ExchangedToken => {
  const claims = readToken(issued.accessToken)
  if (!claims) throw unreadableToken()
  return hide(
    {
      accessToken: issued.accessToken,
      tokenType: issued.tokenType,
      expiresAt: expiryOf(issued, claims),
      scope: scopeOf(issued, claims, asked.scope),
      resource: only(claims.audience),
      audience: claims.audience,
      subject: claims.subject,
      actor: currentActor(claims),
      chain: actorChain(claims.act),
      lineage: claims.lineage,
      delegationId: claims.lineage.at(-1),
      limits: agentLimitsClaim(claims.limits),
      narrowed: issued.narrowed,
    },
    'accessToken',
  )
}
