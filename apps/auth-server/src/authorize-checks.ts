/**
 * The checks of an authorization request, in their order. RFC 6749 §4.1.1, RFC 9700 §2.1.
 *
 * First who sends it and where the answer may go: while that is not proven, whatever is wrong is shown
 * on a page. From then on, the client is told at its redirect URI.
 */
import { grantTypes, OAuthError, type OAuthErrorCode, parseScope } from '@behalf/protocol'
import { isS256Challenge } from './authorization/pkce.js'
import { grantScope, reachable } from './authorization/reachable.js'
import { matchesRedirectUri } from './authorization/redirect-uri.js'
import {
  type AuthorizationRequest,
  type Found,
  type Prompt,
  prompts,
  type Sender,
} from './authorization/request.js'
import type { Deps } from './deps.js'
import { dpopNotSupported } from './dpop.js'
import type { Form } from './form.js'
import { requestedTargets } from './grants/target.js'
import { findClient } from './registration/find-client.js'
import type { Client } from './store/clients.js'

const refuse = (description: string, reason: string): OAuthError =>
  new OAuthError('invalid_request', { description, reason })

const refuseAs = (code: OAuthErrorCode, description: string, reason: string): OAuthError =>
  new OAuthError(code, { description, reason })

/** One answer for a client that is unknown and for one that is off. */
const proveClient = async (form: Form, deps: Deps): Promise<Client> => {
  const clientId = form.get('client_id')
  if (clientId === undefined) throw refuse('client_id is missing.', 'missing_client_id')
  const client = await findClient(clientId, deps)
  if (client && !client.disabled) return client
  throw refuse('The application that sent you here is not known to this server.', 'unknown_client')
}

/** Absent, it is the one that is registered, where there is just one (RFC 6749 §3.1.2.3). */
const proveRedirectUri = (form: Form, { redirect_uris: registered }: Client): string => {
  const given = form.get('redirect_uri')
  const [only] = registered
  if (given === undefined && registered.length === 1 && only !== undefined) return only
  if (given === undefined) throw refuse('redirect_uri is missing.', 'missing_redirect_uri')
  if (registered.some((uri) => matchesRedirectUri(uri, given))) return given
  throw new OAuthError('invalid_request', {
    description: 'The application wants the answer at an address that is not registered for it.',
    reason: 'redirect_uri_mismatch',
    hint: 'Register the redirect URI exactly as it is sent.',
  })
}

const maxEchoLength = 4096

const lengthInUrl = (text: string): number =>
  new URLSearchParams([['', text]]).toString().length - 1

/** In every answer, refusals too, as a part of a header: one that is too long cannot go back at all. */
const readState = (form: Form): string | undefined => {
  const state = form.get('state')
  if (state === undefined || lengthInUrl(state) <= maxEchoLength) return state
  throw new OAuthError('invalid_request', {
    description: `state has ${maxEchoLength} characters at most, as it is written in a URL.`,
    reason: 'state_too_long',
    hint: 'The application keeps what belongs to a request, and sends the name of it as state.',
  })
}

/** @throws OAuthError that may only be shown, never redirected */
export const proveSender = async (form: Form, deps: Deps): Promise<Sender> => {
  const client = await proveClient(form, deps)
  const redirectUri = proveRedirectUri(form, client)
  const saidRedirectUri = form.get('redirect_uri') !== undefined
  return { client, redirectUri, saidRedirectUri, state: readState(form) }
}

type Findings = Partial<Found>
type Check = (form: Form, sender: Sender, found: Found, deps: Deps) => Findings | Promise<Findings>

const nothing: Findings = {}

/** RFC 6749 §5.2: the client has to be registered for the grant type. */
const requireCodeGrant: Check = (_form, { client }) => {
  if (client.grant_types.includes(grantTypes.authorizationCode)) return nothing
  throw refuseAs(
    'unauthorized_client',
    'This client may not use authorization codes.',
    'grant_type_not_allowed',
  )
}

/** RFC 9101: parameters by value or by reference. Ours are pushed (RFC 9126), and read before. */
const refuseRequestObject: Check = (form) => {
  if (form.get('request') !== undefined) {
    throw refuseAs('request_not_supported', 'request is not supported.', 'request_object')
  }
  if (form.get('request_uri') === undefined) return nothing
  throw refuseAs('invalid_request_uri', 'request_uri cannot stand here.', 'nested_request_uri')
}

/** RFC 9449 §10: the code, and what it buys, would be bound to this key. */
const refuseDpopKey: Check = (form) => {
  if (form.get('dpop_jkt') === undefined) return nothing
  throw dpopNotSupported()
}

/** RFC 9700 §2.1.2: nothing but a code, and the code in the query. */
const requireCode: Check = (form) => {
  const type = form.get('response_type')
  if (type === undefined) throw refuse('response_type is missing.', 'missing_response_type')
  if (type !== 'code') {
    throw refuseAs(
      'unsupported_response_type',
      'response_type must be "code".',
      'unsupported_response_type',
    )
  }
  const mode = form.get('response_mode')
  if (mode === undefined || mode === 'query') return nothing
  throw refuse('response_mode must be "query".', 'unsupported_response_mode')
}

/** RFC 7636 §4.3. Without a method it would be `plain`, which proves nothing (RFC 9700 §2.1.1). */
const requirePKCE: Check = (form) => {
  const codeChallenge = form.get('code_challenge')
  if (codeChallenge === undefined) {
    throw refuse('code_challenge is missing.', 'missing_code_challenge')
  }
  if (form.get('code_challenge_method') !== 'S256') {
    throw refuse('code_challenge_method must be "S256".', 'unsupported_challenge_method')
  }
  if (isS256Challenge(codeChallenge)) return { codeChallenge }
  throw refuse('code_challenge is not a SHA-256 in base64url.', 'malformed_code_challenge')
}

/** It goes into the ID token, and is kept until then. */
const readNonce: Check = (form) => {
  const nonce = form.get('nonce')
  if (nonce === undefined || nonce.length <= maxEchoLength) return { nonce }
  throw refuse(`nonce has ${maxEchoLength} characters at most.`, 'nonce_too_long')
}

/** RFC 8707 §2: what the token is for. */
const readResources: Check = async (form, { client }, _found, deps) => {
  const asked = await requestedTargets(form, deps)
  return reachable(asked, client, deps)
}

/** RFC 6749 §3.3: what is allowed of it, and a refusal only when nothing is. */
const readScope: Check = async (form, { client }, { resources }, deps) => {
  const text = form.get('scope')
  return grantScope(text === undefined ? undefined : parseScope(text), resources, client, deps)
}

const isPrompt = (word: string): word is Prompt => prompts.some((prompt) => prompt === word)

/** OpenID Connect Core §3.1.2.1: `none` stands alone. */
const readPrompt: Check = (form) => {
  const words = form.get('prompt')?.split(' ') ?? []
  const known = words.filter(isPrompt)
  if (known.length !== words.length) throw refuse('prompt is malformed.', 'malformed_prompt')
  if (!known.includes('none') || known.length === 1) return { prompt: new Set(known) }
  throw refuse('prompt=none stands alone.', 'malformed_prompt')
}

const readMaxAge: Check = (form) => {
  const text = form.get('max_age')
  if (text === undefined) return nothing
  if (/^[0-9]{1,9}$/.test(text)) return { maxAgeSeconds: Number(text) }
  throw refuse('max_age is not a number of seconds.', 'malformed_max_age')
}

const maxHintLength = 320

/** A hint and no more: one that cannot be an address is passed over. */
const readLoginHint: Check = (form) => {
  const loginHint = form.get('login_hint')
  return loginHint !== undefined && loginHint.length <= maxHintLength ? { loginHint } : nothing
}

/** After `proveSender`, these in this order. The first that fails is the answer. */
const checks: readonly Check[] = [
  requireCodeGrant,
  refuseRequestObject,
  refuseDpopKey,
  requireCode,
  requirePKCE,
  readNonce,
  readResources,
  readScope,
  readPrompt,
  readMaxAge,
  readLoginHint,
]

const nothingYet: Found = {
  codeChallenge: '',
  resources: [],
  tenantIds: [],
  scope: [],
  granted: {},
  prompt: new Set(),
  maxAgeSeconds: undefined,
  loginHint: undefined,
  nonce: undefined,
}

/** @throws OAuthError for the client's redirect URI, or for the answer to a pushed request */
export const checkRequest = async (
  form: Form,
  sender: Sender,
  deps: Deps,
): Promise<AuthorizationRequest> => {
  let found = nothingYet
  for (const check of checks) found = { ...found, ...(await check(form, sender, found, deps)) }
  return { ...sender, ...found }
}
