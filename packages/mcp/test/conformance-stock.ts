/** Servers as the helpers of the MCP SDKs make them, for the test kit. */
import type { RequestListener } from 'node:http'
import { toNodeHandler } from '@modelcontextprotocol/node'
import { InvalidTokenError } from '@modelcontextprotocol/sdk/server/auth/errors.js'
import { requireBearerAuth as requireV1 } from '@modelcontextprotocol/sdk/server/auth/middleware/bearerAuth.js'
import {
  getOAuthProtectedResourceMetadataUrl,
  mcpAuthMetadataRouter,
} from '@modelcontextprotocol/sdk/server/auth/router.js'
import { McpServer as McpServerV1 } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import {
  createMcpHandler,
  hostHeaderValidationResponse,
  McpServer as McpServerV2,
  OAuthError,
  OAuthErrorCode,
  oauthMetadataResponse,
  originValidationResponse,
  requireScopes,
  requireBearerAuth as requireV2,
} from '@modelcontextprotocol/server'
import express from 'express'
import { createRemoteJWKSet, type JWTPayload, jwtVerify } from 'jose'
import { startTestIssuer } from '../src/conformance.js'
import type { Place } from './conformance-servers.js'
import { open } from './servers.js'

const scopes = ['docs:read', 'docs:write']

/**
 * `usual` is what a verifier with a JWT library looks like when it does what the interface asks for.
 * `careful` does all that the SDK has something for: it compares the audience, turns what is thrown
 * into the error class of the SDK, and checks Host, Origin and, in v2, the scope of the tool.
 */
export type Care = 'usual' | 'careful'

const toAuthInfo = (token: string, payload: JWTPayload) => ({
  token,
  clientId: String(payload.client_id),
  scopes: String(payload.scope ?? '').split(' '),
  // Absent is what the helper looks for; the SDKs' types say it may be.
  ...(payload.exp !== undefined && { expiresAt: payload.exp }),
  ...(typeof payload.aud === 'string' &&
    URL.canParse(payload.aud) && { resource: new URL(payload.aud) }),
})

const createVerifier = (
  { issuer, url, care }: { issuer: string; url: string; care: Care },
  toError: (message: string) => Error,
) => {
  const keys = createRemoteJWKSet(new URL(`${issuer}/jwks`))
  const options = care === 'usual' ? { issuer } : { issuer, audience: url }
  const verify = async (token: string) =>
    toAuthInfo(token, (await jwtVerify(token, keys, options)).payload)
  return {
    verifyAccessToken: async (token: string) => {
      if (care === 'usual') return verify(token)
      return verify(token).catch(() => {
        throw toError('The token is not valid.')
      })
    },
  }
}

const text = (value: string) => ({ content: [{ type: 'text' as const, text: value }] })

const createServerV1 = (): McpServerV1 => {
  const server = new McpServerV1({ name: 'docs', version: '1.0.0' })
  // v1 has nothing for the scope of a tool.
  server.registerTool('publish', {}, () => text('published'))
  return server
}

const metadataOf = (issuer: string) => ({
  issuer,
  authorization_endpoint: `${issuer}/authorize`,
  token_endpoint: `${issuer}/token`,
  response_types_supported: ['code'],
})

const ownNamesOf = (url: string) => ({
  enableDnsRebindingProtection: true,
  allowedHosts: [new URL(url).host],
  allowedOrigins: [new URL(url).origin],
})

const serveV1 = (issuer: string, url: string, care: Care): RequestListener => {
  const app = express()
  const resourceServerUrl = new URL(url)
  app.use(
    mcpAuthMetadataRouter({
      oauthMetadata: metadataOf(issuer),
      resourceServerUrl,
      scopesSupported: scopes,
    }),
  )
  const gate = requireV1({
    verifier: createVerifier({ issuer, url, care }, (message) => new InvalidTokenError(message)),
    requiredScopes: ['docs:read'],
    resourceMetadataUrl: getOAuthProtectedResourceMetadataUrl(resourceServerUrl),
    ...(care === 'careful' && { expectedResource: resourceServerUrl }),
  })
  app.all('/mcp', gate, express.json(), async (request, response) => {
    const transport = new StreamableHTTPServerTransport(care === 'usual' ? {} : ownNamesOf(url))
    response.on('close', () => transport.close())
    // The SDK's own class does not fit its interface under exactOptionalPropertyTypes.
    await createServerV1().connect(transport as Parameters<McpServerV1['connect']>[0])
    await transport.handleRequest(request, response, request.body)
  })
  return app
}

const createServerV2 = (care: Care): McpServerV2 => {
  const server = new McpServerV2({ name: 'docs', version: '1.0.0' })
  const scopeChallenge = care === 'careful' ? { scopeChallenge: requireScopes('docs:write') } : {}
  server.registerTool('publish', { ...scopeChallenge }, () => text('published'))
  return server
}

const serveV2 = (issuer: string, url: string, care: Care): RequestListener => {
  const resourceServerUrl = new URL(url)
  const described = {
    oauthMetadata: metadataOf(issuer),
    resourceServerUrl,
    scopesSupported: scopes,
  }
  const gate = requireV2({
    verifier: createVerifier(
      { issuer, url, care },
      (message) => new OAuthError(OAuthErrorCode.InvalidToken, message),
    ),
    requiredScopes: ['docs:read'],
    resourceMetadataUrl: getOAuthProtectedResourceMetadataUrl(resourceServerUrl),
    ...(care === 'careful' && { expectedResource: resourceServerUrl }),
  })
  const handler = createMcpHandler(() => createServerV2(care))
  const names = [resourceServerUrl.hostname]
  const elsewhere = (request: Request): Response | undefined =>
    care === 'usual'
      ? undefined
      : (hostHeaderValidationResponse(request, names) ?? originValidationResponse(request, names))
  return toNodeHandler({
    fetch: async (request: Request) => {
      const early = oauthMetadataResponse(request, described) ?? elsewhere(request)
      if (early) return early
      const authInfo = await gate(request)
      return authInfo instanceof Response ? authInfo : handler.fetch(request, { authInfo })
    },
    // The SDK's own types do not fit node's under exactOptionalPropertyTypes.
  }) as RequestListener
}

export const openStock = async (generation: 'v1' | 'v2', care: Care): Promise<Place> => {
  const issuer = await startTestIssuer()
  const { url, use, close } = await open()
  use((generation === 'v1' ? serveV1 : serveV2)(issuer.issuer, url, care))
  return {
    url,
    issuer,
    close: async () => {
      await Promise.all([close(), issuer.close()])
    },
  }
}
