/** The document that tells clients where tokens for this server come from. RFC 9728. */
import type { ProtectedResourceMetadata } from '@behalf/protocol'
import type { GuardedRequest } from './guarded-request.js'

export interface DescribedResource {
  issuer: string
  resource: string
  /** Where the document stands; it names the path. @see RFC 9728 §3.1 */
  resourceMetadataUrl: string
  scopes: readonly string[]
  resourceName: string | undefined
}

const rootLocation = '/.well-known/oauth-protected-resource'
const cacheSeconds = 3600

const describe = (described: DescribedResource): ProtectedResourceMetadata => ({
  resource: described.resource,
  authorization_servers: [described.issuer],
  ...(described.scopes.length > 0 && { scopes_supported: described.scopes }),
  bearer_methods_supported: ['header'],
  ...(described.resourceName !== undefined && { resource_name: described.resourceName }),
})

/** The document is public, and the clients that read it may be pages of any origin. */
const headers = {
  'Access-Control-Allow-Origin': '*',
  'Access-Control-Allow-Methods': 'GET, HEAD, OPTIONS',
  // MCP clients send it with every request, this one included; a preflight asks for it.
  'Access-Control-Allow-Headers': 'MCP-Protocol-Version',
  'Access-Control-Max-Age': String(cacheSeconds),
}

const answer = (method: string, body: string): Response => {
  if (method === 'OPTIONS') return new Response(null, { status: 204, headers })
  if (method !== 'GET' && method !== 'HEAD') {
    return new Response(null, { status: 405, headers: { ...headers, Allow: 'GET, HEAD, OPTIONS' } })
  }
  return new Response(method === 'HEAD' ? null : body, {
    headers: {
      ...headers,
      'Content-Type': 'application/json',
      'Cache-Control': `public, max-age=${cacheSeconds}`,
    },
  })
}

/**
 * Answers at the path-aware location and at the root, for clients look at both. Nothing of the
 * request but its method and path is read, so no `Host` header can change what the document says.
 */
export const createMetadata = (
  described: DescribedResource,
): ((request: Pick<GuardedRequest, 'method' | 'pathname'>) => Response | undefined) => {
  const body = JSON.stringify(describe(described))
  const locations = new Set([rootLocation, new URL(described.resourceMetadataUrl).pathname])
  return ({ method, pathname }) => (locations.has(pathname) ? answer(method, body) : undefined)
}
