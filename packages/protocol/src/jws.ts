/** Compact JWS in its one canonical spelling. RFC 7515 §7.1, RFC 8725 §3. */
import { OAuthError } from './errors.js'

/** A parsed and not yet verified JWS. */
export interface CompactJws {
  header: Record<string, unknown>
  payload: Record<string, unknown>
  /** What the signature covers: header and payload as received. */
  signingInput: string
  signature: Uint8Array<ArrayBuffer>
}

/** Longer tokens than this are refused unread. Ours stay far below. */
export const maxTokenLength = 16_384

const compact = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

const malformed = (reason: string): OAuthError =>
  new OAuthError('invalid_token', { description: 'The token is malformed.', reason })

/** One character for each byte. */
const decodeToBinary = (text: string): string => {
  let binary: string
  try {
    binary = atob(text.replaceAll('-', '+').replaceAll('_', '/'))
  } catch {
    throw malformed('malformed_base64url')
  }
  if (encodeBinary(binary) !== text) throw malformed('non_canonical_base64url')
  return binary
}

const toBytes = (binary: string): Uint8Array<ArrayBuffer> => {
  // A loop, since `Uint8Array.from` with a function takes fifty times as long.
  const bytes = new Uint8Array(binary.length)
  for (let at = 0; at < bytes.length; at += 1) bytes[at] = binary.charCodeAt(at)
  return bytes
}

/**
 * Decodes base64url and refuses every spelling but the canonical one: padding, other alphabets and
 * left-over bits all decode to the same bytes, so a deny list keyed by text could be walked around.
 *
 * @see RFC 4648 §3.5
 */
export const decodeBase64url = (text: string): Uint8Array<ArrayBuffer> =>
  toBytes(decodeToBinary(text))

const encodeBinary = (binary: string): string =>
  btoa(binary).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')

export const encodeBase64url = (bytes: Uint8Array): string =>
  encodeBinary(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''))

/** RFC 8259 §4: names within an object SHOULD be unique; parsers disagree on which one wins. */
const hasDuplicateMember = (json: string): boolean => {
  const open: (Set<string> | undefined)[] = []
  // Unrolled, so that a string of megabytes takes no stack.
  const token = /"[^"\\]*(?:\\.[^"\\]*)*"(\s*:)?|[{}[\]]/g
  for (let match = token.exec(json); match; match = token.exec(json)) {
    const [lexeme, colon] = match
    if (lexeme === '{') open.push(new Set())
    else if (lexeme === '[') open.push(undefined)
    else if (lexeme === '}' || lexeme === ']') open.pop()
    else if (colon !== undefined) {
      const names = open.at(-1)
      const name: string = JSON.parse(lexeme.slice(0, -colon.length))
      if (names?.has(name)) return true
      names?.add(name)
    }
  }
  return false
}

/** What JSON.stringify writes has each name once, so a text that equals it need not be looked through. */
const isAsWritten = (value: object, json: string): boolean => {
  try {
    return JSON.stringify(value) === json
  } catch {
    // Nested deeper than the stack.
    return false
  }
}

const decodeUtf8 = (bytes: Uint8Array): string => {
  try {
    return decoder.decode(bytes)
  } catch {
    throw malformed('malformed_json')
  }
}

const parseJsonText = (json: string): Record<string, unknown> => {
  let value: unknown
  try {
    value = JSON.parse(json)
  } catch {
    throw malformed('malformed_json')
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw malformed('malformed_json')
  }
  if (!isAsWritten(value, json) && hasDuplicateMember(json)) throw malformed('duplicate_member')
  if (Object.hasOwn(value, '__proto__')) throw malformed('forbidden_member')
  return value as Record<string, unknown>
}

/**
 * Parses bytes that must be a JSON object, each name in it once.
 *
 * @throws OAuthError `invalid_token`
 */
export const parseJsonObject = (bytes: Uint8Array): Record<string, unknown> =>
  parseJsonText(decodeUtf8(bytes))

const visibleASCII = /^[\x20-\x7e]*$/

/** The header or the payload of a compact JWS. @throws OAuthError `invalid_token` */
export const parseJwsPart = (part: string): Record<string, unknown> => {
  const binary = decodeToBinary(part)
  // The same text in UTF-8, and most tokens are.
  return parseJsonText(visibleASCII.test(binary) ? binary : decodeUtf8(toBytes(binary)))
}

/** The three parts of a compact JWS, as they are spelt. */
export interface CompactJwsParts {
  header: string
  payload: string
  signature: string
}

/**
 * Splits a compact JWS and decodes none of it. Only what is no token, such as the revocation feed, has
 * a reason for another `maxLength`.
 *
 * @throws OAuthError `invalid_token`
 */
export const splitCompactJws = (token: string, maxLength = maxTokenLength): CompactJwsParts => {
  if (token.length > maxLength) throw malformed('token_too_long')
  if (!compact.test(token)) throw malformed('not_a_compact_jws')
  const [header = '', payload = '', signature = ''] = token.split('.')
  return { header, payload, signature }
}

/** Splits and decodes a compact JWS without trusting it. @throws OAuthError `invalid_token` */
export const parseCompactJws = (token: string, maxLength = maxTokenLength): CompactJws => {
  const { header, payload, signature } = splitCompactJws(token, maxLength)
  return {
    header: parseJwsPart(header),
    payload: parseJwsPart(payload),
    signingInput: `${header}.${payload}`,
    signature: decodeBase64url(signature),
  }
}
