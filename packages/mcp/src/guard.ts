/** The guard of an MCP server: made once, it keeps nothing of any caller between requests. */
import { resourceMetadataUrl } from '@behalf/protocol'
import { createVerifier, type Verifier } from '@behalf/verifier'
import type { AuthInfo } from './auth-info.js'
import { createAuthenticate } from './authenticate.js'
import { createCors, withHeaders } from './cors.js'
import { createDownstream, type DownstreamCaller } from './downstream.js'
import { createNodeMiddleware, type NodeMiddleware } from './express.js'
import { createFastifyHook, type FastifyHook } from './fastify.js'
import type { Gate } from './gate.js'
import { fromFetch } from './guarded-request.js'
import { createHonoMiddleware, type HonoMiddleware } from './hono.js'
import { createHostCheck } from './hosts.js'
import {
  createNextMetadataRoutes,
  createNextRoutes,
  type NextHandler,
  type NextMetadataRoutes,
  type NextRoutes,
} from './next.js'
import { createOffers } from './offers.js'
import { limitAnswer } from './open-stream.js'
import {
  checkAskedScopes,
  checkFlag,
  checkIssuer,
  checkName,
  checkNames,
  clientOf,
  type ProtectMcpOptions,
} from './options.js'
import { createOriginCheck } from './origins.js'
import type { GuardPrompt, GuardResource, GuardTool } from './registration.js'
import { createRequirement, type ScopeRequirement } from './require.js'
import { createMetadata } from './resource-metadata.js'
import { audiencesOf, checkResource } from './resource-url.js'
import { createSessions, type Sessions, type SessionsOptions } from './sessions.js'
import { type Challenge, createStepUpMiddleware } from './step-up.js'
import { createStreams } from './streams.js'
import { checkScopes } from './tool-rule.js'
import {
  type Configuration,
  type VerifyConfigurationOptions,
  verifyConfiguration,
} from './verify-configuration.js'

/** A web-standard handler, such as the `fetch` of what `createMcpHandler` of the SDK gives. */
export type FetchHandler = (
  request: Request,
  options: { authInfo: AuthInfo; parsedBody?: unknown },
) => Response | Promise<Response>

export interface RouteOptions {
  /** Scopes that this route needs beside those of the guard: one text, or a list. */
  scope?: string | readonly string[] | undefined
}

export interface Guard {
  /** The public URL of this server, as tokens name it. */
  readonly resourceUrl: string
  /** Where clients find the RFC 9728 document. */
  readonly resourceMetadataUrl: string
  /** The caller of one request, or the answer that turns it away. It never throws. */
  authenticate(request: Request, options?: RouteOptions): Promise<AuthInfo | Response>
  /** The RFC 9728 document at its two locations; `undefined` for every other request. */
  metadata(request: Request): Response | undefined
  /** Both of these around a web-standard handler. */
  fetch(
    handler: FetchHandler,
    options?: RouteOptions,
  ): (request: Request, options?: { parsedBody?: unknown }) => Promise<Response>
  /** Both of these as middleware, which sets `req.auth`. Put it before what it protects. */
  express(options?: RouteOptions): NodeMiddleware
  /** As middleware of Hono, which sets `auth` in the context. */
  hono(options?: RouteOptions): HonoMiddleware
  /** As a hook: `app.addHook('onRequest', guard.fastify())`. It sets `request.auth` and `raw.auth`. */
  fastify(options?: RouteOptions): FastifyHook
  /** As what a `route.ts` of Next exports: `export const { GET, POST, DELETE, OPTIONS } = …`. */
  next<Context = unknown>(
    handler: NextHandler<Context>,
    options?: RouteOptions,
  ): NextRoutes<Context>
  /** For `app/.well-known/oauth-protected-resource/[[...path]]/route.ts`. */
  nextMetadata(): NextMetadataRoutes
  /** Scopes of one tool (`scopeChallenge` of the v2 SDK) or of one route behind the guard. */
  require(...scopes: readonly string[]): ScopeRequirement
  /**
   * A tool with its scope, action and cost: `tool(server, name, rule, schema, handler)` puts it on the
   * server and shows it to its callers alone, `tool(rule, handler)` is for `server.registerTool`.
   */
  readonly tool: GuardTool
  /** The same for a resource: `resource(server, name, uri, rule, handler)`. */
  readonly resource: GuardResource
  /** The same for a prompt: `prompt(server, name, rule, schema, handler)`. */
  readonly prompt: GuardPrompt
  /**
   * The 403 for a caller who lacks the scope of what the message asks for, on servers of the first
   * generation of the SDK; the second sends its own. `fetch` does this by itself.
   */
  readonly challenge: Challenge
  /** The same as middleware, for after `express.json()`. */
  stepUp(): NodeMiddleware
  /** Sessions of a stateful transport, each for the caller who opened it alone. */
  sessions<Session>(options?: SessionsOptions<Session>): Sessions<Session>
  /**
   * Fetches the metadata of the issuer and says everything that does not fit, to the slash. Worth
   * waiting for at the start, where an authorization server that is down need not stop this one.
   *
   * @throws OAuthError with all of it in `details.mismatches`
   */
  verifyConfiguration(options?: VerifyConfigurationOptions): Promise<void>
  /** Gives back now what was borrowed of budgets and is not in use. */
  flush(): Promise<void>
  /**
   * Stops what goes on in the background, and gives back what was borrowed of budgets. Wait for it
   * before the process ends: what is not reported is charged in full.
   */
  close(): Promise<void>
}

const verifierFor = (options: ProtectMcpOptions, metadataUrl: string): Verifier => {
  if (options.verifier) return options.verifier
  return createVerifier({
    ...options,
    audience: audiencesOf(options.resource),
    resourceMetadataUrl: metadataUrl,
  })
}

/** Which callers this guard let in. It holds none of them, and says nothing about a request. */
const createMemory = () => {
  const verified = new WeakSet<object>()
  const isVerified = (caller: unknown): caller is DownstreamCaller =>
    typeof caller === 'object' && caller !== null && verified.has(caller)
  return {
    isVerified,
    remember: (caller: DownstreamCaller): DownstreamCaller => {
      verified.add(caller)
      return caller
    },
    /** @throws Error for whatever else may stand in their place */
    callerOf: (caller: unknown): DownstreamCaller => {
      if (isVerified(caller)) return caller
      throw new Error('This is guarded, and the call did not come through its guard.')
    },
  }
}

const platformFetch: Configuration['fetch'] = (input, init) => fetch(input, init)

const configurationOf = (
  options: ProtectMcpOptions,
  server: Pick<Configuration, 'issuer' | 'resource' | 'resourceMetadataUrl' | 'scopes' | 'client'>,
): Configuration => ({
  ...server,
  usesLedger: typeof options.budget === 'object',
  followsRevocations: options.verifier === undefined && options.revocation !== 'off',
  fetch: options.fetch ?? platformFetch,
  timeoutMs: options.timeoutMs ?? 5000,
})

const createGate = (
  options: ProtectMcpOptions,
  server: Pick<Configuration, 'issuer' | 'resource' | 'resourceMetadataUrl' | 'scopes'>,
  {
    challenge,
    follow,
    ...authenticate
  }: Pick<Gate, 'challenge' | 'follow'> &
    Pick<Parameters<typeof createAuthenticate>[0], 'verifier' | 'admit'>,
) => {
  const { resource } = server
  const allowsHost = createHostCheck(resource, options.allowedHosts)
  const allowsOrigin = createOriginCheck(resource, options.allowedOrigins)
  const cors = createCors(allowsOrigin, checkFlag('cors', options.cors ?? true))
  const metadata = createMetadata({ ...server, resourceName: checkName(options.resourceName) })
  const known = createAuthenticate({ ...server, ...authenticate, allowsHost, allowsOrigin, cors })
  /** What a route needs is read once, where the route is made. */
  const gateFor = ({ scope }: RouteOptions = {}): Gate => {
    const scopes = checkScopes(scope)
    return {
      enter: async (request) => metadata(request) ?? known(request, scopes),
      challenge,
      metadata,
      cors,
      follow,
    }
  }
  return { gateFor, authenticate: known, metadata }
}

const createParts = (options: ProtectMcpOptions) => {
  checkNames(options)
  const issuer = checkIssuer(options.issuer)
  const resource = checkResource(options.resource)
  const scopes = checkAskedScopes(checkScopes(options.scopes))
  const metadataUrl = resourceMetadataUrl(resource)
  const server = { issuer, resource, scopes, resourceMetadataUrl: metadataUrl }
  const client = clientOf(options)
  const withDownstream = createDownstream({ ...options, client })
  const verifier = verifierFor(options, metadataUrl)
  const { remember, isVerified, callerOf } = createMemory()
  const admit: Parameters<typeof createAuthenticate>[0]['admit'] = (caller) =>
    remember(withDownstream(caller))
  const offers = createOffers({ verifier, isVerified }, server)
  const streams = createStreams({
    verify: verifier.verify,
    everySeconds: options.pollSeconds ?? 1,
    keeps: offers.notices.keeps,
  })
  const { challengeRequest: challenge } = offers.stepUp
  return {
    ...server,
    ...createGate(options, server, { verifier, admit, challenge, follow: streams.follow }),
    streams,
    verifier,
    isVerified,
    callerOf,
    configuration: configurationOf(options, { ...server, client }),
    offers,
  }
}

const fetchFace =
  ({ enter, challenge, cors, follow }: Gate, handler: FetchHandler): ReturnType<Guard['fetch']> =>
  async (request, { parsedBody } = {}) => {
    const guarded = fromFetch(request)
    const answer = await enter(guarded)
    if (answer instanceof Response) return answer
    const answered =
      (await challenge(request, answer, parsedBody)) ??
      (await handler(request, { authInfo: answer, parsedBody }))
    const limited = limitAnswer(answered, follow(guarded, answer))
    return withHeaders(limited, cors.headers(guarded))
  }

type Parts = ReturnType<typeof createParts>

const facesOf = ({
  gateFor,
}: Parts): Pick<Guard, 'fetch' | 'express' | 'hono' | 'fastify' | 'next' | 'nextMetadata'> => ({
  fetch: (handler, options) => fetchFace(gateFor(options), handler),
  express: (options) => createNodeMiddleware(gateFor(options)),
  hono: (options) => createHonoMiddleware(gateFor(options)),
  fastify: (options) => createFastifyHook(gateFor(options)),
  next: (handler, options) => createNextRoutes(gateFor(options), handler),
  nextMetadata: () => createNextMetadataRoutes(gateFor()),
})

/**
 * Makes the guard of one MCP server. It fetches nothing until the first request.
 *
 * @throws TypeError for options that could never work
 */
export const protectMcp = (options: ProtectMcpOptions): Guard => {
  const parts = createParts(options)
  const { resourceMetadataUrl, verifier, metadata, authenticate, isVerified } = parts
  const { tool, resource, prompt, stepUp } = parts.offers
  return Object.freeze<Guard>({
    ...facesOf(parts),
    resourceUrl: parts.resource,
    resourceMetadataUrl,
    authenticate: async (request, { scope } = {}) =>
      authenticate(fromFetch(request), checkScopes(scope)),
    metadata: (request) => metadata(fromFetch(request)),
    require: (...scopes) =>
      createRequirement(checkScopes(scopes), { resourceMetadataUrl, isVerified }),
    tool,
    resource,
    prompt,
    challenge: stepUp.challenge,
    stepUp: () => createStepUpMiddleware(stepUp.challengeCaller),
    sessions: (sessionOptions = {}) => createSessions(parts.callerOf, sessionOptions),
    verifyConfiguration: (asked) => verifyConfiguration(parts.configuration, asked),
    flush: verifier.flush,
    close: () => {
      parts.streams.close()
      return verifier.close()
    },
  })
}
