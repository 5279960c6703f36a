/** Client ids that are URLs. Client ID Metadata Document §3. */
import { isIP } from 'node:net'
import { clientId } from '@behalf/protocol'

/** Names that only this network knows: nobody publishes a document there for others. */
const isLocalName = (hostname: string): boolean =>
  !hostname.includes('.') ||
  hostname.endsWith('.') ||
  /\.(localhost|local|internal|home\.arpa)$/.test(hostname)

const isDotSegment = (segment: string): boolean => /^\.{1,2}(;|$)/.test(segment)

/** RFC 3986 §3: `#`, `?` or `:` with nothing behind it is not what the parser gives back. */
const hasEmptyPart = (text: string): boolean => /[?#]$/.test(text)

/** True for what is meant as the URL of a document, whether or not it is a good one. */
export const looksLikeDocumentUrl = (id: string): boolean => /^https?:/i.test(id)

/**
 * The URL of a document, `undefined` unless it is spelt in the one way that a URL parser keeps: it is
 * an identifier, and compared to the byte.
 */
export const parseDocumentUrl = (id: string): URL | undefined => {
  if (!clientId.safeParse(id).success || !URL.canParse(id)) return undefined
  const url = new URL(id)
  if (url.protocol !== 'https:' || url.href !== id || hasEmptyPart(id)) return undefined
  if (id.includes('#') || url.username !== '' || url.password !== '') return undefined
  if (url.pathname === '/' || url.pathname.split('/').some(isDotSegment)) return undefined
  const bare = url.hostname.replace(/^\[|\]$/g, '')
  return isIP(bare) !== 0 || isLocalName(url.hostname) ? undefined : url
}

/** `host`, `host:port`, or `*.domain` for all below it. */
export const hostMatches = (pattern: string, host: string): boolean =>
  pattern.startsWith('*.') ? host.endsWith(pattern.slice(1)) : host === pattern
