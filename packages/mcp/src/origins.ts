/** Which web pages may call. MCP Streamable HTTP, "Security Warning": DNS rebinding. */
import { isLoopbackHost } from '@behalf/protocol'

const asOrigin = (value: unknown): string => {
  if (typeof value === 'string' && URL.canParse(value)) {
    const { origin } = new URL(value)
    if (origin === value) return origin
  }
  throw new TypeError(
    'protectMcp: allowedOrigins must be origins such as "https://app.example", without a path.',
  )
}

/** A page of this very machine, at any port. */
const isLoopbackOrigin = (origin: string): boolean => {
  if (!URL.canParse(origin)) return false
  const url = new URL(origin)
  return url.origin === origin && isLoopbackHost(url.hostname)
}

/**
 * Says whether a request with this `Origin` may pass. Without the header it was no page of another
 * site: it may. With one it must be listed. By default these are the server's own origin and, for a
 * server on loopback, every origin on loopback.
 */
export const createOriginCheck = (
  resource: string,
  allowedOrigins?: readonly string[],
): ((origin: string | null) => boolean) => {
  const own = new URL(resource)
  const listed = new Set(allowedOrigins ? allowedOrigins.map(asOrigin) : [own.origin])
  const allowsLoopback = !allowedOrigins && isLoopbackHost(own.hostname)
  return (origin) =>
    origin === null || listed.has(origin) || (allowsLoopback && isLoopbackOrigin(origin))
}
