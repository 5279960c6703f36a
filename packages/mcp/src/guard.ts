/** The guard of an MCP server: made once, it keeps nothing of any caller between requests. */
import { issuerProblem, resourceMetadataUrl } from '@behalf/protocol'
import { type Caller, createVerifier, type Verifier, type VerifierOptions } from '@behalf/verifier'
import type { AuthInfo } from './auth-info.js'
import { createAuthenticate, type GuardedRequest } from './authenticate.js'
import { createNodeMiddleware, type NodeMiddleware } from './express.js'
import { createOffers } from './offers.js'
import { createOriginCheck } from './origins.js'
import type { GuardPrompt, GuardResource, GuardTool } from './registration.js'
import { createMetadata } from './resource-metadata.js'
import { audiencesOf, checkResource } from './resource-url.js'
import { type Challenge, createStepUpMiddleware } from './step-up.js'
import { checkScopes } from './tool-rule.js'

/** A web-standard handler, such as the `fetch` of what `createMcpHandler` of the SDK gives. */
export type FetchHandler = (
  request: Request,
  options: { authInfo: AuthInfo; parsedBody?: unknown },
) => Response | Promise<Response>

export interface Guard {
  /** The public URL of this server, as tokens name it. */
  readonly resourceUrl: string
  /** Where clients find the RFC 9728 document. */
  readonly resourceMetadataUrl: string
  /** The caller of one request, or the answer that turns it away. It never throws. */
  authenticate(request: Request): Promise<AuthInfo | Response>
  /** The RFC 9728 document at its two locations; `undefined` for every other request. */
  metadata(request: Request): Response | undefined
  /** Both of these around a web-standard handler. */
  fetch(
    handler: FetchHandler,
  ): (request: Request, options?: { parsedBody?: unknown }) => Promise<Response>
  /** Both of these as middleware, which sets `req.auth`. Put it before what it protects. */
  express(): NodeMiddleware
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
  /** Gives back now what was borrowed of budgets and is not in use. */
  flush(): Promise<void>
  /**
   * Stops what goes on in the background, and gives back what was borrowed of budgets. Wait for it
   * before the process ends: what is not reported is charged in full.
   */
  close(): Promise<void>
}

type PassedOn = Omit<VerifierOptions, 'issuer' | 'audience' | 'resourceMetadataUrl'>

export interface ProtectMcpOptions extends PassedOn {
  /** The authorization server, exactly as it spells itself. */
  issuer: string
  /**
   * The public URL of this server, as clients call it and as tokens name it. It is never derived
   * from a request: what a proxy or a `Host` header says must not decide whose tokens are good.
   */
  resource: string
  /** The scopes that clients should ask for: in every challenge, and in the metadata. */
  scopes?: string | readonly string[] | undefined
  /** Shown to people who are asked for their consent. */
  resourceName?: string | undefined
  /**
   * Origins of the web pages that may call. Requests without `Origin` come from no page and pass.
   *
   * @defaultValue the resource's own and, where that is on loopback, every origin on loopback
   */
  allowedOrigins?: readonly string[] | undefined
  /** One made elsewhere, for this issuer and resource. Its own options count then. */
  verifier?: Verifier | undefined
}

const misuse = (problem: string): TypeError => new TypeError(`protectMcp: ${problem}`)

const checkIssuer = (issuer: unknown): string => {
  if (typeof issuer !== 'string') throw misuse('issuer is missing.')
  const problem = issuerProblem(issuer)
  if (problem !== undefined) throw misuse(`issuer ${problem}.`)
  return issuer
}

const checkName = (name: unknown): string | undefined => {
  if (name === undefined || (typeof name === 'string' && name !== '')) return name
  throw misuse('resourceName must be text.')
}

const verifierFor = (options: ProtectMcpOptions, metadataUrl: string): Verifier => {
  const { resource, scopes: _, resourceName: __, allowedOrigins: ___, verifier, ...rest } = options
  if (verifier) return verifier
  return createVerifier({
    ...rest,
    audience: audiencesOf(resource),
    resourceMetadataUrl: metadataUrl,
  })
}

/** Which callers this guard let in. It holds none of them, and says nothing about a request. */
const createMemory = () => {
  const verified = new WeakSet<object>()
  return {
    remember: (caller: Caller): void => {
      verified.add(caller)
    },
    isVerified: (caller: unknown): caller is Caller =>
      typeof caller === 'object' && caller !== null && verified.has(caller),
  }
}

const toGuarded = ({ method, url, headers }: Request): GuardedRequest => ({
  method,
  pathname: new URL(url).pathname,
  headers,
})

const createParts = (options: ProtectMcpOptions) => {
  const issuer = checkIssuer(options.issuer)
  const resource = checkResource(options.resource)
  const scopes = checkScopes(options.scopes)
  const metadataUrl = resourceMetadataUrl(resource)
  const server = { issuer, resource, scopes, resourceMetadataUrl: metadataUrl }
  const verifier = verifierFor(options, metadataUrl)
  const allowsOrigin = createOriginCheck(resource, options.allowedOrigins)
  const { remember, isVerified } = createMemory()
  return {
    ...server,
    verifier,
    metadata: createMetadata({ ...server, resourceName: checkName(options.resourceName) }),
    authenticate: createAuthenticate({ ...server, verifier, allowsOrigin, remember }),
    offers: createOffers({ verifier, isVerified }, server),
  }
}

/**
 * Makes the guard of one MCP server. It fetches nothing until the first request.
 *
 * @throws TypeError for options that could never work
 */
export const protectMcp = (options: ProtectMcpOptions): Guard => {
  const { resource, resourceMetadataUrl, verifier, metadata, authenticate, offers } =
    createParts(options)
  const { tool, resource: guardResource, prompt, stepUp } = offers
  return Object.freeze<Guard>({
    resourceUrl: resource,
    resourceMetadataUrl,
    authenticate,
    metadata: (request) => metadata(toGuarded(request)),
    fetch:
      (handler) =>
      async (request, { parsedBody } = {}) => {
        const answer = metadata(toGuarded(request)) ?? (await authenticate(request))
        if (answer instanceof Response) return answer
        const challenge = await stepUp.challengeRequest(request, answer, parsedBody)
        if (challenge) return challenge
        return handler(request, { authInfo: answer, parsedBody })
      },
    express: () => createNodeMiddleware({ metadata, authenticate }),
    tool,
    resource: guardResource,
    prompt,
    challenge: stepUp.challenge,
    stepUp: () => createStepUpMiddleware(stepUp.challengeCaller),
    flush: verifier.flush,
    close: verifier.close,
  })
}
