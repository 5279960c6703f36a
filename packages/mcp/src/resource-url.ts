/** The name of this server: the URL that clients call it by. RFC 8707, RFC 9728 §1.2. */
import { isResourceUri, isSecureUrl } from '@behalf/protocol'

const misuse = (problem: string): TypeError => new TypeError(`protectMcp: resource ${problem}`)

/** As stock clients write it in `resource`: they send what a URL parser makes of the name. */
const canonical = (url: URL): string =>
  url.pathname === '/' && url.search === '' ? url.origin : url.href

/**
 * Checks the configured name. It is compared to the byte in tokens, so another spelling of the same
 * URL is refused here instead of refusing every caller later.
 *
 * @throws TypeError
 */
export const checkResource = (resource: unknown): string => {
  if (typeof resource !== 'string' || resource === '') {
    throw misuse('is missing: the public URL of this server, such as "https://api.example/mcp".')
  }
  if (!URL.canParse(resource)) throw misuse(`must be an absolute URL.`)
  if (resource.includes('#') || !isResourceUri(resource)) {
    throw misuse('must be an absolute URL without a fragment (RFC 8707 §2).')
  }
  if (!isSecureUrl(resource)) throw misuse('must be https (plain http only on loopback).')
  const written = canonical(new URL(resource))
  if (written !== resource) throw misuse(`should be written "${written}".`)
  return resource
}

/**
 * The audiences that mean this server. A client that has only an origin writes it with a slash, as
 * URL parsers do; that is the same resource (RFC 3986 §6.2.3), and the only variant there is.
 */
export const audiencesOf = (resource: string): readonly string[] =>
  new URL(resource).origin === resource ? [resource, `${resource}/`] : [resource]
