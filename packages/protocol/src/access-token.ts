/** The access token: an `at+jwt` whose every claim is checked before it is believed. RFC 9068. */
import { type Actor, actorChain, isActor } from './actor.js'
import { type AgentLimits, readAgentLimits } from './agent-limits.js'
import { OAuthError } from './errors.js'
import { isCleanText } from './identifiers.js'
import { readScope } from './scope.js'
import {
  type Guard,
  isInteger,
  isObject,
  isText,
  listOf,
  malformedMember,
  objectOf,
  optional,
  type Shape,
} from './shape.js'

export const signingAlgorithms = ['ES256', 'EdDSA', 'RS256'] as const
export type SigningAlgorithm = (typeof signingAlgorithms)[number]

const isCleanUpTo =
  (maxLength: number): Guard<string> =>
  (value): value is string =>
    isText(value) && value !== '' && value.length <= maxLength && isCleanText(value)

const isLabel = isCleanUpTo(255)
const isUri = isCleanUpTo(2048)
const isUris = listOf(isUri, 1, 50)
/** Whole seconds below the year 2286: `1e400` is Infinity to JSON.parse and lives for ever. */
const isNumericDate = isInteger(0, 9_999_999_999)

interface Claims {
  iss: string
  sub: string
  aud: string | string[]
  client_id: string
  scope: unknown
  iat: number
  nbf: number | undefined
  exp: number
  jti: string
  tenant_id: string | undefined
  role: string | undefined
  agent_type: string | undefined
  act: Actor | undefined
  may_act: { sub: string; [member: string]: unknown } | undefined
  agent_limits: unknown
  agent_lineage: string[] | undefined
}

const claimsShape: Shape<Omit<Claims, 'scope' | 'agent_limits'>> = {
  iss: isUri,
  sub: isLabel,
  aud: (value): value is string | string[] => isUri(value) || isUris(value),
  client_id: isLabel,
  iat: isNumericDate,
  nbf: optional(isNumericDate),
  exp: isNumericDate,
  jti: isLabel,
  tenant_id: optional(isLabel),
  role: optional(isLabel),
  agent_type: optional(isLabel),
  act: optional(isActor),
  may_act: optional(objectOf<{ sub: string }>({ sub: isLabel })),
  agent_lineage: optional(listOf(isLabel, 1, 32)),
}

/** What a token says, parsed. Only top-level members and the outermost `act` may decide access. */
export interface AccessToken {
  issuer: string
  /** The principal acted for: the same all the way down a chain. */
  subject: string
  audience: readonly string[]
  clientId: string
  scope: readonly string[]
  issuedAt: number
  notBefore: number | undefined
  expiresAt: number
  id: string
  tenantId: string | undefined
  role: string | undefined
  agentType: string | undefined
  act: Actor | undefined
  mayAct: { sub: string; [member: string]: unknown } | undefined
  limits: AgentLimits
  /** The delegations from the root to this token's own. It is dead when any of them is revoked. */
  lineage: readonly string[]
  /** The payload as signed. */
  claims: Readonly<Record<string, unknown>>
}

const bad = (reason: string, description = 'The token is malformed.'): OAuthError =>
  new OAuthError('invalid_token', { description, reason })

/** RFC 9068 §4 and RFC 8725 §3.11: explicit typing keeps other JWTs of this issuer out. */
export const isAccessTokenType = (typ: unknown): boolean =>
  typeof typ === 'string' && /^(application\/)?at\+jwt$/i.test(typ)

/**
 * Refuses by header, before any cryptography: the type, the algorithm, and `crit`, of which we
 * understand none (RFC 7515 §4.1.11). `jwk`, `jku`, `x5c` and `x5u` are never looked at.
 *
 * @returns the algorithm and key id to look up
 */
export const checkHeader = (
  header: Readonly<Record<string, unknown>>,
  isType: (typ: unknown) => boolean = isAccessTokenType,
): { alg: SigningAlgorithm; kid: string } => {
  if (!isType(header.typ)) throw bad('wrong_type', 'The token is not of the type asked for.')
  if (header.crit !== undefined) throw bad('unknown_critical_header')
  const alg = signingAlgorithms.find((known) => known === header.alg)
  if (!alg) throw bad('unacceptable_algorithm', 'The token is signed in a way we do not accept.')
  if (typeof header.kid !== 'string' || header.kid === '' || header.kid.length > 255) {
    throw bad('missing_kid', 'The token does not name its key.')
  }
  return { alg, kid: header.kid }
}

const checkChain = (claims: Claims): void => {
  const names = new Set([claims.sub])
  for (const actor of actorChain(claims.act)) {
    if (actor.iss !== undefined && actor.iss !== claims.iss) throw bad('foreign_actor')
    if (names.has(actor.sub)) throw bad('repeated_actor')
    names.add(actor.sub)
  }
}

const malformedClaim = (name: string): OAuthError => bad(`malformed_claim_${name}`)

const checkShape: (payload: unknown) => asserts payload is Claims = (payload) => {
  const name = isObject(payload) ? malformedMember(payload, claimsShape) : 'unknown'
  if (name !== undefined) throw malformedClaim(name)
}

const parseScopeClaim = (scope: unknown): readonly string[] => {
  if (scope === undefined || scope === '') return []
  const words = isText(scope) ? readScope(scope) : undefined
  if (!words) throw malformedClaim('scope')
  return words
}

const parseLimitsClaim = (claim: unknown): AgentLimits => {
  if (claim === undefined) return {}
  const limits = readAgentLimits(claim)
  if (!limits) throw malformedClaim('agent_limits')
  return limits
}

/** Parses a verified payload. @throws OAuthError `invalid_token` for anything out of shape. */
export const parseAccessToken = (payload: Readonly<Record<string, unknown>>): AccessToken => {
  const claims: unknown = payload
  checkShape(claims)
  checkChain(claims)
  return {
    issuer: claims.iss,
    subject: claims.sub,
    audience: isText(claims.aud) ? [claims.aud] : claims.aud,
    clientId: claims.client_id,
    scope: parseScopeClaim(claims.scope),
    issuedAt: claims.iat,
    notBefore: claims.nbf,
    expiresAt: claims.exp,
    id: claims.jti,
    tenantId: claims.tenant_id,
    role: claims.role,
    agentType: claims.agent_type,
    act: claims.act,
    mayAct: claims.may_act,
    limits: parseLimitsClaim(claims.agent_limits),
    lineage: claims.agent_lineage ?? [],
    claims: payload,
  }
}

export interface CheckAccessTokenOptions {
  issuer: string
  /** One of the token's audiences must be one of these, to the byte. Absent: not checked. */
  audience?: readonly string[]
  /** Seconds since 1970. */
  now: number
  /** Seconds that clocks may differ. @defaultValue 5 */
  clockToleranceSeconds?: number
  /** The same for the end alone. @defaultValue `clockToleranceSeconds` */
  expiryToleranceSeconds?: number
}

/** Issuer, audience and times. Runs on every use of a token, cached or not. */
export const checkAccessToken = (token: AccessToken, options: CheckAccessTokenOptions): void => {
  const { issuer, audience, now, clockToleranceSeconds: tolerance = 5 } = options
  const { expiryToleranceSeconds = tolerance } = options
  if (token.issuer !== issuer) throw bad('wrong_issuer', 'The token is from another issuer.')
  if (audience && !token.audience.some((one) => audience.includes(one))) {
    throw bad('wrong_audience', 'The token is meant for another resource.')
  }
  if (now >= token.expiresAt + expiryToleranceSeconds)
    throw bad('token_expired', 'The token has expired.')
  const notBefore = Math.max(token.notBefore ?? 0, token.issuedAt)
  if (now + tolerance < notBefore) throw bad('token_not_yet_valid', 'The token is not valid yet.')
}

/** The one who acts now: the outermost `act`, or the subject itself where nobody acts for it. */
export const currentActor = (token: Pick<AccessToken, 'act' | 'subject'>): string =>
  token.act?.sub ?? token.subject
