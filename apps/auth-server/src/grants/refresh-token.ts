/** A new access token for what a person agreed to, without the person. RFC 6749 §6, RFC 9700 §4.14. */
import { OAuthError } from '@behalf/protocol'
import { grantOver } from '../authorization/grant-over.js'
import { type PersonGrant, personIssuance } from '../authorization/person-issuance.js'
import { personStanding } from '../authorization/standing.js'
import type { Deps } from '../deps.js'
import type { Form } from '../form.js'
import { hashSecret, newSecret } from '../secrets.js'
import type { Client } from '../store/clients.js'
import type { RefreshToken } from '../store/refresh-tokens.js'
import type { Grant } from './grant.js'

/** One answer for a token that is unknown, another's, or out of date. */
const notYours = (): OAuthError =>
  grantOver('The refresh token is not one that this client can use.', 'unknown_refresh_token')

const findToken = async (form: Form, client: Client, deps: Deps): Promise<RefreshToken> => {
  const text = form.get('refresh_token')
  if (text === undefined) {
    throw new OAuthError('invalid_request', {
      description: 'refresh_token is missing.',
      reason: 'missing_parameter',
    })
  }
  const token = await deps.store.refreshTokens.find(hashSecret(text))
  // Another client's attempt says nothing about this family, and does it no harm.
  if (!token || token.client_id !== client.client_id) throw notYours()
  return token
}

/** A longer grace cannot be waited for. Milliseconds. */
const longestWait = 500

/**
 * Clients without a single flight send the same token several times at once. For a moment they all
 * get the one successor, unless somebody has used that one already.
 */
const isConcurrent = (token: RefreshToken, arrivedAt: Date, { lifetimes }: Deps): boolean => {
  const { consumed_at: at, successor_used: isUsed } = token
  if (at === undefined || isUsed) return false
  return arrivedAt.getTime() < at.getTime() + lifetimes.refreshGrace * 1000
}

/** Whoever has the answer, and comes again, comes after the moment: that is no accident any more. */
const outwaitGrace = async ({ lifetimes, wait }: Deps): Promise<void> => {
  const graceMs = lifetimes.refreshGrace * 1000
  if (graceMs > 0 && graceMs <= longestWait) await wait(graceMs)
}

/** RFC 9700 §4.14.2: one of the two who have it is a thief, and nobody knows which. */
const refuseReuse = async (token: RefreshToken, { store, now }: Deps): Promise<never> => {
  const { delegation_id } = token
  await store.revocations.revoke({ delegation_id }, 'refresh_token_reused', now())
  throw grantOver('The refresh token was used already.', 'refresh_token_reused')
}

const checkUsable = async (token: RefreshToken, arrivedAt: Date, deps: Deps): Promise<void> => {
  if (token.consumed_at !== undefined) {
    if (!isConcurrent(token, arrivedAt, deps)) await refuseReuse(token, deps)
    return
  }
  const now = deps.now()
  if (token.expires_at > now && token.family_expires_at > now) return
  throw grantOver('The refresh token has expired.', 'refresh_token_expired')
}

const grantOf = async (token: RefreshToken, client: Client, deps: Deps): Promise<PersonGrant> => {
  const [delegation, consent] = await Promise.all([
    deps.store.delegations.find(token.delegation_id),
    deps.store.consents.find(token.consent_id, deps.now()),
  ])
  if (!delegation || !consent || delegation.revoked_at !== undefined) {
    throw grantOver('What the person agreed to has ended.', 'consent_over')
  }
  const standing = await personStanding(delegation.subject, delegation.tenant_id, deps)
  if (!standing) throw grantOver('The person cannot use this any more.', 'person_disabled')
  const { scope, resources, lineage } = delegation
  const authenticatedAt = token.authenticated_at
  return {
    ...{ client, consent, standing, scope, resources, lineage, authenticatedAt },
    nonce: undefined,
  }
}

const sealName = (tokenHash: string): string => `successor of ${tokenHash}`

const openSuccessor = (token: RefreshToken, { seal }: Deps): string =>
  seal.open(token.successor_sealed ?? '', sealName(token.token_hash))

/** The successor: made here, or by somebody who came at the same moment. */
const rotate = async (token: RefreshToken, arrivedAt: Date, deps: Deps): Promise<string> => {
  if (token.consumed_at !== undefined) return openSuccessor(token, deps)
  const successor = newSecret('rt')
  const now = deps.now()
  const rotation = {
    from: token.token_hash,
    to: hashSecret(successor),
    sealed: deps.seal.seal(successor, sealName(token.token_hash)),
    expiresAt: new Date(now.getTime() + deps.lifetimes.refreshIdle * 1000),
  }
  if (await deps.store.refreshTokens.rotate(rotation, now)) return successor
  const used = await deps.store.refreshTokens.find(token.token_hash)
  if (!used) throw notYours()
  await checkUsable(used, arrivedAt, deps)
  return openSuccessor(used, deps)
}

/** Everything is weighed before the token is used up: a refusal leaves it as good as it was. */
export const refreshToken: Grant = async ({ client, form }, deps) => {
  const arrivedAt = deps.now()
  const token = await findToken(form, client, deps)
  await checkUsable(token, arrivedAt, deps)
  const issuance = await personIssuance(await grantOf(token, client, deps), form, deps)
  const successor = await rotate(token, arrivedAt, deps)
  await outwaitGrace(deps)
  return { ...issuance, refreshToken: successor }
}
