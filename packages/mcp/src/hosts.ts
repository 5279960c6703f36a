/** Under which names this server may be called. MCP Streamable HTTP, "Security Warning". */
import { isLoopbackHost } from '@behalf/protocol'

/** Letters, digits and what IPv6 and a port need: nothing that a URL parser would read otherwise. */
const hostText = /^[a-z0-9._[\]:-]+$/i

/** As a URL has it: lower case, without the default port. `undefined` for what is no host. */
const canonical = (host: string, protocol: string): string | undefined => {
  const text = `${protocol}//${host}`
  return hostText.test(host) && URL.canParse(text) ? new URL(text).host : undefined
}

const listedHosts = (hosts: readonly string[], protocol: string): string[] => {
  const list = Array.isArray(hosts) && hosts.length > 0 ? hosts : ['']
  return list.map((host) => {
    const written = typeof host === 'string' ? canonical(host, protocol) : undefined
    if (written !== undefined) return written
    throw new TypeError(
      'protectMcp: allowedHosts must be hosts such as "mcp.internal:3000", or "any".',
    )
  })
}

const isLoopback = (host: string, protocol: string): boolean =>
  isLoopbackHost(new URL(`${protocol}//${host}`).hostname)

/**
 * Says whether a request with this `Host` may pass. A page whose name was made to resolve to this
 * machine brings the name of the page. Without the header it was no browser: it may.
 */
export const createHostCheck = (
  resource: string,
  allowedHosts?: readonly string[] | 'any',
): ((host: string | null) => boolean) => {
  if (allowedHosts === 'any') return () => true
  const { host: own, hostname, protocol } = new URL(resource)
  const listed = new Set(allowedHosts ? listedHosts(allowedHosts, protocol) : [own])
  const allowsLoopback = !allowedHosts && isLoopbackHost(hostname)
  return (host) => {
    if (host === null) return true
    const name = canonical(host, protocol)
    if (name === undefined) return false
    return listed.has(name) || (allowsLoopback && isLoopback(name, protocol))
  }
}
