/** Requests that wait: pushed by a client (RFC 9126), or for a person to sign in and to agree. */
import { OAuthError } from '@behalf/protocol'
import { proveSender } from '../authorize-checks.js'
import type { Deps } from '../deps.js'
import type { Form } from '../form.js'
import { hashSecret, newSecret } from '../secrets.js'
import { redirectOrigin } from './redirect-uri.js'
import { formOfParameters, type Parameters } from './request.js'

/** RFC 9126 §2.2: between 5 and 600 seconds. The client goes straight on with it. */
export const pushedSeconds = 90

/** Long enough to find a password, or to confirm an address. */
const waitingSeconds = 1800

/** RFC 9126 §2.2 */
const requestUriPrefix = 'urn:ietf:params:oauth:request_uri:'

/** Whoever can send somebody here can make a row. What an address can carry is enough for it. */
const maxParametersLength = 16_384

const checkLength = (parameters: Parameters): void => {
  if (JSON.stringify(parameters).length <= maxParametersLength) return
  throw new OAuthError('invalid_request', {
    description: `An authorization request has ${maxParametersLength} characters at most.`,
    reason: 'request_too_long',
  })
}

const later = (now: Date, seconds: number): Date => new Date(now.getTime() + seconds * 1000)

export interface WaitingOptions {
  authenticateAfter: Date | undefined
  /** The session that is asked; absent while nobody has signed in. */
  sessionId: string | undefined
}

interface Kept extends WaitingOptions {
  kind: 'pushed' | 'waiting'
  seconds: number
}

/** @returns the secret that names it from here on */
const keep = async (
  parameters: Parameters,
  clientId: string,
  { kind, seconds, authenticateAfter, sessionId }: Kept,
  { store, now }: Deps,
): Promise<string> => {
  checkLength(parameters)
  const secret = newSecret('ar')
  const created_at = now()
  await store.authorizationRequests.insert({
    request_hash: hashSecret(secret),
    kind,
    client_id: clientId,
    parameters,
    authenticate_after: authenticateAfter,
    session_id: sessionId,
    created_at,
    expires_at: later(created_at, seconds),
  })
  return secret
}

const nobodyYet = { authenticateAfter: undefined, sessionId: undefined }

/** @returns the `request_uri` */
export const pushRequest = async (
  parameters: Parameters,
  clientId: string,
  deps: Deps,
): Promise<string> => {
  const how = { kind: 'pushed', seconds: pushedSeconds, ...nobodyYet } as const
  return requestUriPrefix + (await keep(parameters, clientId, how, deps))
}

const badRequestUri = (): OAuthError =>
  new OAuthError('invalid_request_uri', {
    description: 'The request_uri is not known here, was used already, or has expired.',
    reason: 'unknown_request_uri',
    hint: 'Push the request again.',
  })

/**
 * The request that counts: the pushed one, if one is named, and then nothing that stands beside it
 * (RFC 9126 §4). Nothing is ever fetched: a URI that we did not give out is not known.
 */
export const resolvePushed = async (form: Form, { store, now }: Deps): Promise<Form> => {
  const uri = form.get('request_uri')
  if (uri === undefined) return form
  const clientId = form.get('client_id')
  if (clientId === undefined || !uri.startsWith(requestUriPrefix)) throw badRequestUri()
  const hash = hashSecret(uri.slice(requestUriPrefix.length))
  const parameters = await store.authorizationRequests.takePushed(hash, clientId, now())
  if (!parameters) throw badRequestUri()
  return formOfParameters({ ...parameters, client_id: [clientId] })
}

/**
 * Where a form may end by redirects that leads back to a waiting request: at the client, when the
 * person has agreed before. Browsers hold `form-action` against all of them, so that the pages of
 * sign-in have to name it.
 *
 * @param returnTo the path of ours that they go on to
 */
export const formTargetsOf = async (returnTo: string, deps: Deps): Promise<string[]> => {
  const [path = '', query = ''] = returnTo.split('?')
  const secret = new URLSearchParams(query).get('continue')
  if (!path.endsWith('/authorize') || secret === null) return []
  const waiting = await deps.store.authorizationRequests.find(hashSecret(secret), deps.now())
  if (!waiting) return []
  const sender = await proveSender(formOfParameters(waiting.parameters), deps).catch(
    () => undefined,
  )
  return sender ? [redirectOrigin(sender.redirectUri)] : []
}

/** Remembers a request that was checked. @returns its secret */
export const keepWaiting = (
  parameters: Parameters,
  clientId: string,
  options: WaitingOptions,
  deps: Deps,
): Promise<string> =>
  keep(parameters, clientId, { kind: 'waiting', seconds: waitingSeconds, ...options }, deps)

/** A page that has been left open for too long, was answered already, or is another browser's. */
export const waitedTooLong = (): OAuthError =>
  new OAuthError('invalid_request', {
    description: 'This request was answered already, or has waited for too long.',
    reason: 'request_over',
    hint: 'Go back to the application and start again from there.',
  })
