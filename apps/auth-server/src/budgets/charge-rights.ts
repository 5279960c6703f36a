/** Who may charge what: only a resource server named in the delegation's resources. */
import { type AccessToken, allowsAction, formatUsd, OAuthError } from '@behalf/protocol'
import type { Deps } from '../deps.js'
import type { Client } from '../store/clients.js'
import type { Delegation } from '../store/delegations.js'
import { checkTimes, readSigned } from '../verify-access-token.js'

/** Unknown and somebody else's look the same. */
export const notFound = (): OAuthError =>
  new OAuthError('not_found', { description: 'There is no such thing here for this client.' })

const denied = (description: string, reason: string): OAuthError =>
  new OAuthError('access_denied', { description, reason })

export const delegationEnded = (): OAuthError =>
  denied('The delegation has ended.', 'delegation_revoked')

/** Is it lent for a resource of this client? Asked every time: resources change hands. */
export const serves = (
  { serves: own }: Pick<Client, 'serves'>,
  { resources }: Pick<Delegation, 'resources'>,
): boolean => resources.some((resource) => own.includes(resource))

/** What is to be charged, and why not. */
export interface Charge {
  delegation: Delegation
  /**
   * Thrown when the key of the request was never answered: a retry gets its answer, however late it
   * comes, and a refusal that may pass is nobody's answer.
   */
  refusal: OAuthError | undefined
}

/** A bad token is the answer to a good request: 403, since 401 would speak of the caller itself. */
const asDenial = (error: unknown): OAuthError => {
  if (!(error instanceof OAuthError) || error.code !== 'invalid_token') throw error
  return new OAuthError('access_denied', {
    description: 'The token is not acceptable.',
    reason: error.reason,
    cause: error,
  })
}

const refusalOf = (check: () => void): OAuthError | undefined => {
  try {
    check()
    return undefined
  } catch (error) {
    return asDenial(error)
  }
}

const readToken = (token: string, deps: Deps): AccessToken => {
  try {
    return readSigned(token, deps)
  } catch (error) {
    throw asDenial(error)
  }
}

const byToken = async (text: string, caller: Client, deps: Deps): Promise<Charge> => {
  const token = readToken(text, deps)
  const mine = token.audience.filter((resource) => caller.serves.includes(resource))
  const delegation = await deps.store.delegations.find(token.lineage.at(-1) ?? '')
  const isForCaller = mine.some((resource) => delegation?.resources.includes(resource))
  if (!delegation || !isForCaller || token.mayAct) {
    throw denied('The token is not for a resource of this client.', 'wrong_audience')
  }
  return { delegation, refusal: refusalOf(() => checkTimes(token, deps)) }
}

const byId = async (id: string, caller: Client, deps: Deps): Promise<Charge> => {
  const delegation = await deps.store.delegations.find(id)
  if (!delegation || !serves(caller, delegation)) throw notFound()
  return { delegation, refusal: undefined }
}

/**
 * The delegation that this caller may charge. Whether it is alive is decided where the money moves.
 *
 * @throws OAuthError `access_denied`, `not_found`
 */
export const chargeable = async (
  asked: { token?: string | undefined; delegation_id?: string | undefined },
  caller: Client,
  deps: Deps,
): Promise<Charge> => {
  const { token, delegation_id: id } = asked
  const charge = await (token === undefined
    ? byId(id ?? '', caller, deps)
    : byToken(token, caller, deps))
  const tooMany = await deps.openHolds.refusal(caller.client_id)
  return { ...charge, refusal: charge.refusal ?? tooMany }
}

/**
 * What the limits say of one action, whoever asks. The resource server checks it too, offline.
 *
 * @returns the refusal, which is kept as the answer to its key; `undefined` when the action may be
 */
export const actionRefusal = (
  { limits }: Delegation,
  action: string,
  amount: bigint,
): OAuthError | undefined => {
  if (!allowsAction(limits, action)) {
    return new OAuthError('action_not_allowed', {
      description: 'This action is not among the allowed_actions of the delegation.',
      reason: 'action_not_allowed',
    })
  }
  const { maxCostPerAction: most } = limits
  if (most === undefined || amount <= most) return undefined
  return new OAuthError('insufficient_budget', {
    description: 'One action may not cost that much.',
    reason: 'max_cost_per_action',
    details: {
      required: formatUsd(amount),
      remaining: formatUsd(most),
      limited_by: 'max_cost_per_action_usd',
    },
  })
}
