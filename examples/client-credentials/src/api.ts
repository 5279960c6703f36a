/** A tiny API on `node:http` that serves only who has a token for it. */
import type { createServer } from 'node:http'
import { createVerifier } from '@behalf/verifier'
import { behalf, callerOf } from '@behalf/verifier/express'

export interface Api {
  /** As the requests of `node:http` come in. */
  listener: Parameters<typeof createServer>[1]
  close: () => void
}

/** @param resource the public URL of this API, as its tokens name it */
export const createApi = (issuer: string, resource: string): Api => {
  const { origin, pathname } = new URL(resource)
  const metadataPath = `/.well-known/oauth-protected-resource${pathname}`
  const verifier = createVerifier({
    issuer,
    audience: resource,
    resourceMetadataUrl: `${origin}${metadataPath}`,
  })
  const guard = behalf(verifier, { scope: 'docs:read' })
  // RFC 9728: with it, a client that knows nothing but the URL finds the issuer.
  const metadata = JSON.stringify({ resource, authorization_servers: [issuer] })

  return {
    listener: (request, response) => {
      response.setHeader('Content-Type', 'application/json')
      if (request.url === metadataPath) return response.end(metadata)
      return guard(request, response, () => {
        const { actor, tenantId } = callerOf(request)
        response.end(JSON.stringify({ document: request.url, reader: actor, tenant: tenantId }))
      })
    },
    close: verifier.close,
  }
}
