/** Form posts with client authentication, and the token endpoint's answers. RFC 6749 §3.2, §5. */
import {
  type AgentLimitsClaim,
  maxTokenLength,
  type NarrowingReport,
  OAuthError,
  readScope,
  type TokenResponse,
  tokenResponseSchema,
} from '@behalf/protocol'
import type { FormRequest } from './client-authentication.js'
import type { Discovery } from './discovery.js'
import { isSuccess, refusalOf } from './refusal.js'
import { type JsonResponse, requestJson } from './request-json.js'
import type { Settings } from './settings.js'

/** Parameters of a request, in order. One that is `undefined` is not sent: an empty one is refused. */
export type Form = readonly (readonly [name: string, value: string | undefined])[]

/** A token response, checked. */
export interface IssuedToken {
  accessToken: string
  tokenType: 'Bearer' | 'N_A'
  /** `undefined` where the answer names none: then it is the one asked for. RFC 6749 §5.1. */
  scope: readonly string[] | undefined
  lifeSeconds: number | undefined
  /** As the answer has them; `undefined` where it names none. */
  limits: AgentLimitsClaim | undefined
  narrowed: NarrowingReport | undefined
  /** Seconds since 1970, taken before the request left. */
  requestedAt: number
}

export interface TokenEndpoint {
  settings: Settings
  discovery: Discovery
  request(form: Form, tokenType: IssuedToken['tokenType']): Promise<IssuedToken>
}

const party = 'The authorization server'
const credentials = [
  'client_secret',
  'client_assertion',
  'subject_token',
  'actor_token',
  'refresh_token',
  'token',
]

/** What posting a form takes. */
type Posting = Pick<Settings, 'fetch' | 'timeoutMs' | 'authentication' | 'now'>

export const readForm = (form: Form): URLSearchParams => {
  const params = new URLSearchParams()
  for (const [name, value] of form) if (value !== undefined) params.append(name, value)
  return params
}

/** A form with the client's authentication: a new one each time, since an assertion is good once. */
export const authenticate = async (
  form: URLSearchParams,
  { authentication }: Pick<Settings, 'authentication'>,
): Promise<FormRequest> => {
  const request = {
    form: new URLSearchParams(form),
    headers: {
      accept: 'application/json',
      'content-type': 'application/x-www-form-urlencoded',
    },
  }
  await authentication.form(request)
  return request
}

export interface FormAnswer {
  response: JsonResponse
  /** What the answer is when it is a refusal. */
  refusal(): OAuthError
}

/** Posts a form as this client. */
export const askForm = async (url: string, form: Form, settings: Posting): Promise<FormAnswer> => {
  const { fetch, timeoutMs, authentication, now } = settings
  const { form: params, headers } = await authenticate(readForm(form), settings)
  const init = { method: 'POST', headers, body: params.toString() }
  const response = await requestJson(url, { fetch, timeoutMs, init, party })
  const secrets = [...authentication.secrets, ...credentials.map((name) => params.get(name) ?? '')]
  return { response, refusal: () => refusalOf(response, { secrets, now }) }
}

/** Posts a form as this client. @throws OAuthError for every answer but a success. */
export const postForm = async (
  url: string,
  form: Form,
  settings: Posting,
): Promise<JsonResponse> => {
  const { response, refusal } = await askForm(url, form, settings)
  if (isSuccess(response)) return response
  throw refusal()
}

const malformed = (reason: string, description: string): OAuthError =>
  new OAuthError('server_error', {
    description,
    reason,
    hint: 'Check that the issuer is a Behalf authorization server.',
  })

const malformedResponse = (): OAuthError =>
  malformed('malformed_token_response', 'The token response of the server is malformed.')

const parseResponse = (body: unknown): TokenResponse => {
  const result = tokenResponseSchema.safeParse(body)
  // RFC 6749 Appendix A.12. What a header cannot carry would be quoted in the platform's error.
  if (!result.success || !/^[\x21-\x7e]+$/.test(result.data.access_token)) throw malformedResponse()
  if (result.data.access_token.length > maxTokenLength) throw malformedResponse()
  return result.data
}

const readGrantedScope = (scope: string | undefined): readonly string[] | undefined => {
  if (scope === undefined || scope === '') return scope === '' ? [] : undefined
  const words = readScope(scope)
  if (words) return words
  throw malformedResponse()
}

// RFC 6749 §7.1: a token whose type is not understood MUST NOT be used. A bearer token where a
// hand-off was asked for is no hand-off: it would work for whoever reads the message.
const checkTokenType = (response: TokenResponse, expected: IssuedToken['tokenType']): void => {
  if (response.token_type.toLowerCase() === expected.toLowerCase()) return
  throw malformed(
    'unexpected_token_type',
    `The server issued a token of another type than "${expected}".`,
  )
}

/** RFC 6749 §3.2: servers ignore parameters that they do not know, and this one must not be ignored. */
const checkBudgetMode = (form: Form, { budget_mode: mode }: TokenResponse): void => {
  const asked = form.find(([name]) => name === 'budget_mode')?.[1]
  if (asked !== 'escrow' || mode === 'escrow') return
  throw malformed('budget_mode_ignored', 'The server has not set the budget aside.')
}

/** @throws OAuthError unless it is a token response with a token of this type */
export const parseTokenResponse = (
  body: unknown,
  tokenType: IssuedToken['tokenType'],
): TokenResponse => {
  const response = parseResponse(body)
  checkTokenType(response, tokenType)
  return response
}

export const createTokenEndpoint = (settings: Settings, discovery: Discovery): TokenEndpoint => ({
  settings,
  discovery,
  request: async (form, tokenType) => {
    const { token_endpoint: url } = await discovery()
    const requestedAt = Math.floor(settings.now() / 1000)
    const response = parseTokenResponse((await postForm(url, form, settings)).body, tokenType)
    checkBudgetMode(form, response)
    return {
      accessToken: response.access_token,
      tokenType,
      scope: readGrantedScope(response.scope),
      lifeSeconds: response.expires_in,
      limits: response.agent_limits,
      narrowed: response.narrowed,
      requestedAt,
    }
  },
})
