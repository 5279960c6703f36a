/** A small authorization server and its resource servers, as one `fetch`. */
import {
  encodeBase64url,
  metadataUrl,
  parseCompactJws,
  readBasicAuthorization,
} from '@behalf/protocol'
import { type AgentOptions, createAgent, type Fetch } from '../src/index.js'

export const issuer = 'https://auth.example'
export const resource = 'https://mcp.example/mcp'
export const secret = 'sekrit-of-the-orchestrator'

type Claims = Record<string, unknown>
type Handler = (request: Request, body: string) => Response | Promise<Response>

export interface Call {
  url: string
  method: string
  authorization: string | null
  form: URLSearchParams
}

const encode = (value: unknown): string =>
  encodeBase64url(new TextEncoder().encode(JSON.stringify(value)))

export const signed = (claims: Claims): string =>
  `${encode({ alg: 'ES256', typ: 'at+jwt', kid: '1' })}.${encode(claims)}.${encode('signature')}`

export const claimsOf = (token: string): Claims => parseCompactJws(token).payload

export const metadata = {
  issuer,
  token_endpoint: `${issuer}/token`,
  revocation_endpoint: `${issuer}/revoke`,
  agent_budget_endpoint: `${issuer}/ledger`,
  delegations_endpoint: `${issuer}/delegations`,
  delegation_check_endpoint: `${issuer}/delegations/check`,
}

export const json = (body: unknown, status = 200, headers: Record<string, string> = {}): Response =>
  new Response(JSON.stringify(body), { status, headers })

const clientOf = (request: Request, form: URLSearchParams): string =>
  readBasicAuthorization(request.headers.get('authorization') ?? '')?.clientId ??
  form.get('client_id') ??
  ''

/** A world with its own clock, addresses and log of calls. */
export const createWorld = (options: { lifeSeconds?: number } = {}) => {
  const { lifeSeconds = 300 } = options
  const calls: Call[] = []
  const clock = { seconds: 1_800_000_000 }
  let issued = 0

  const issue = (claims: Claims, type = 'Bearer', life = lifeSeconds, more = {}): Response => {
    issued += 1
    const iat = clock.seconds
    const times = { iss: issuer, iat, exp: iat + life, jti: `at_${issued}` }
    return json({
      access_token: signed({ ...times, ...claims }),
      issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      token_type: type,
      expires_in: life,
      scope: claims.scope,
      ...more,
    })
  }
  const ownToken = (client: string, form: URLSearchParams): Response =>
    issue({
      sub: client,
      client_id: client,
      aud: form.getAll('resource').length > 0 ? form.getAll('resource') : resource,
      scope: form.get('scope') ?? 'docs:read docs:write',
      agent_lineage: ['dlg_1'],
    })
  const exchange = (client: string, form: URLSearchParams): Response => {
    const subject = claimsOf(form.get('subject_token') ?? '')
    const lineage = [...((subject.agent_lineage as string[] | undefined) ?? [])]
    const common = {
      sub: subject.sub,
      client_id: client,
      scope: form.get('scope') ?? subject.scope,
      ...(form.has('agent_limits') && { agent_limits: JSON.parse(form.get('agent_limits') ?? '') }),
    }
    const told = form.get('budget_mode') === 'escrow' ? { budget_mode: 'escrow' } : {}
    if (form.has('requested_actor')) {
      const may_act = { sub: form.get('requested_actor') }
      const dlg = { agent_lineage: [...lineage, `dlg_${lineage.length + 1}`] }
      return issue(
        { ...common, ...dlg, ...(subject.act ? { act: subject.act } : {}), aud: issuer, may_act },
        'N_A',
        600,
        told,
      )
    }
    // The subject heads the chain as `sub`; `act` holds those who came after it.
    const previous = subject.act ? { act: subject.act } : {}
    const act = subject.may_act ? { sub: client, client_id: client, ...previous } : subject.act
    return issue({
      ...common,
      ...(act ? { act } : {}),
      aud: form.get('resource') ?? resource,
      agent_lineage: lineage,
    })
  }
  const handlers = new Map<string, Handler>([
    [metadataUrl(issuer), () => json(metadata)],
    [
      metadata.token_endpoint,
      (request, body) => {
        const form = new URLSearchParams(body)
        const client = clientOf(request, form)
        return form.get('grant_type') === 'client_credentials'
          ? ownToken(client, form)
          : exchange(client, form)
      },
    ],
    [metadata.revocation_endpoint, () => new Response(null, { status: 200 })],
    [resource, () => json({ ok: true })],
  ])
  const fetch: Fetch = async (input, init) => {
    const request = new Request(input, init)
    const body = await request.clone().text()
    const { url, method, headers } = request
    const form = new URLSearchParams(body)
    calls.push({ url, method, authorization: headers.get('authorization'), form })
    const handler = handlers.get(url) ?? handlers.get(url.replace(/\?.*/, ''))
    if (!handler) throw new TypeError('fetch failed')
    return handler(request, body)
  }
  const agent = (overrides: Partial<AgentOptions> = {}) =>
    createAgent({
      issuer,
      clientId: 'orchestrator',
      clientSecret: secret,
      fetch,
      now: () => clock.seconds * 1000,
      ...overrides,
    })
  return {
    agent,
    fetch,
    calls,
    clock,
    issue,
    on: (url: string, handler: Handler) => handlers.set(url, handler),
    to: (url: string) => calls.filter((call) => call.url.replace(/\?.*/, '') === url),
    tokenCalls: () => calls.filter((call) => call.url === metadata.token_endpoint),
  }
}

/** What a promise was refused with. */
export const refusal = async (work: Promise<unknown>): Promise<Error & Record<string, unknown>> => {
  try {
    await work
  } catch (error) {
    return error as Error & Record<string, unknown>
  }
  throw new Error('It was not refused.')
}
