/** An authorization request: its parameters as they came, and what was found in them. */
import { type Form, formOf } from '../form.js'
import type { Client } from '../store/clients.js'

/**
 * The parameters that mean something here; others are as good as not there (RFC 6749 §3.1). Those of
 * OpenID Connect that only advise (`display`, `ui_locales`, `acr_values`) are among the others.
 */
const known = [
  'client_id',
  'redirect_uri',
  'response_type',
  'response_mode',
  'state',
  'code_challenge',
  'code_challenge_method',
  'scope',
  'resource',
  'prompt',
  'max_age',
  'login_hint',
  'dpop_jkt',
  'nonce',
  'request',
  'request_uri',
] as const

/** As they are kept while a person signs in. */
export type Parameters = Readonly<Record<string, readonly string[]>>

export const parametersOf = (form: Form): Parameters =>
  Object.fromEntries(known.map((name) => [name, form.all(name)]).filter(([, all]) => all?.length))

export const formOfParameters = (parameters: Parameters): Form =>
  formOf(new Map(Object.entries(parameters).map(([name, all]) => [name, [...all]])))

export const prompts = ['none', 'login', 'consent', 'select_account'] as const
export type Prompt = (typeof prompts)[number]

/** Who sent the request, and where its answer may go. Nothing is ever redirected before this. */
export interface Sender {
  client: Client
  redirectUri: string
  /** RFC 6749 §4.1.3: what was said here is to be said again at the token endpoint. */
  saidRedirectUri: boolean
  state: string | undefined
}

/** Scopes by what they are for: a resource, or the issuer for what is said of the person. */
export type Granted = Readonly<Record<string, readonly string[]>>

/** What the checks found, all of it allowed to the client. */
export interface Found {
  codeChallenge: string
  /** RFC 8707 resources. None: the token is good for `/userinfo` alone. */
  resources: readonly string[]
  /** Organizations whose resources these are: a person has to be in each of them. */
  tenantIds: readonly string[]
  scope: readonly string[]
  /** The same, by what it is for. */
  granted: Granted
  prompt: ReadonlySet<Prompt>
  maxAgeSeconds: number | undefined
  loginHint: string | undefined
  nonce: string | undefined
}

export interface AuthorizationRequest extends Sender, Found {}
