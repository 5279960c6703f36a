/** Which exchange is it? Decided by what the subject token is, then by the parameters. Pure. */
import { type AccessToken, currentActor, OAuthError } from '@behalf/protocol'
import type { Client } from '../store/clients.js'
import type { ExchangeRequest } from './exchange-request.js'

export type ExchangeShape =
  /** The holder keeps acting, with less. */
  | { shape: 'narrow' }
  /** The holder lends to another, who still has to accept. */
  | { shape: 'hand_off'; to: string }
  /** The named actor takes what was handed to it. */
  | { shape: 'accept' }
  /** A resource server calls downstream with what it was called with. */
  | { shape: 'pull' }
  /** The holder brings the other agent's own token along. */
  | { shape: 'push'; to: string }

const refuse = (description: string, reason: string, hint?: string): OAuthError =>
  new OAuthError('invalid_request', { description, reason, hint })

/** RFC 8693 §4.4: every member of `may_act` must match, and one that we do not know cannot. */
const mayActNames = (token: AccessToken, client: Client, issuer: string): boolean => {
  const expected: Record<string, string> = {
    sub: client.client_id,
    client_id: client.client_id,
    iss: issuer,
  }
  return Object.entries(token.mayAct ?? {}).every(([name, value]) => expected[name] === value)
}

const accept = (request: ExchangeRequest, client: Client, issuer: string): ExchangeShape => {
  const { subjectToken: token } = request
  if (!mayActNames(token, client, issuer)) {
    throw refuse('This token names another actor.', 'may_act_mismatch')
  }
  const forThisServer = token.audience.length === 1 && token.audience[0] === issuer
  if (!forThisServer || request.requestedActor || request.actorToken || request.limits) {
    throw refuse(
      'A hand-off is accepted as it is.',
      'malformed_accept',
      'Accept it first, then narrow or hand off what you got.',
    )
  }
  return { shape: 'accept' }
}

/** An actor token proves who the other agent is; it must be that agent's own, and for this server. */
const actorOf = (token: AccessToken, issuer: string): string => {
  const own = token.act === undefined && token.mayAct === undefined
  if (!own || token.subject !== token.clientId) {
    throw refuse('The actor_token is itself delegated.', 'actor_token_delegated')
  }
  if (token.audience.length !== 1 || token.audience[0] !== issuer) {
    throw refuse('The actor_token is not for this server.', 'actor_token_wrong_audience')
  }
  return token.clientId
}

const byHolder = (request: ExchangeRequest, issuer: string): ExchangeShape => {
  const { requestedActor, actorToken } = request
  if (requestedActor !== undefined && actorToken) {
    throw refuse('requested_actor and actor_token exclude each other.', 'two_actors')
  }
  if (actorToken) return { shape: 'push', to: actorOf(actorToken, issuer) }
  if (requestedActor !== undefined) return { shape: 'hand_off', to: requestedActor }
  return { shape: 'narrow' }
}

/**
 * A token that carries `may_act` can only be accepted, and one for this server's own API not exchanged
 * at all; otherwise its holder may narrow, hand off or
 * push; otherwise only a resource server that it was meant for may pull. Nobody else gets anything.
 *
 * @throws OAuthError `invalid_request`
 */
export const routeExchange = (
  request: ExchangeRequest,
  client: Client,
  issuer: string,
): ExchangeShape => {
  const { subjectToken: token } = request
  if (token.mayAct) return accept(request, client, issuer)
  // With openid, a person's token is for the issuer as well; what comes of it is for resources alone.
  if (token.audience.every((one) => one === issuer)) {
    throw refuse(
      "The subject_token is for this server's own API.",
      'subject_token_wrong_audience',
      'Exchange a token that is for a resource.',
    )
  }
  if (currentActor(token) === client.client_id) return byHolder(request, issuer)
  const meantForClient = token.audience.some((resource) => client.serves.includes(resource))
  if (meantForClient && !request.requestedActor && !request.actorToken) return { shape: 'pull' }
  throw refuse(
    'This client neither holds the subject_token nor is it meant for one of its resources.',
    'not_the_holder',
  )
}
