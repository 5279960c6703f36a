/** A device asks whether its person has decided, and gets its tokens when they have. RFC 8628 §3.4. */
import { OAuthError, type OAuthErrorCode } from '@behalf/protocol'
import { grantOver } from '../authorization/grant-over.js'
import { redeemCode } from '../authorization/redeem-code.js'
import type { Deps } from '../deps.js'
import { hashSecret } from '../secrets.js'
import type { DeviceCode } from '../store/device-codes.js'
import type { Grant, GrantRequest } from './grant.js'

/** RFC 8628 §3.5 goes by RFC 6749 §5.2: all of these are 400. */
const refuse = (code: OAuthErrorCode, description: string, reason: string): OAuthError =>
  new OAuthError(code, { status: 400, description, reason })

const pending = (): OAuthError =>
  refuse('authorization_pending', 'The person has not decided yet.', 'authorization_pending')

/** Unknown, and another client's: one answer, and the other's device does not learn of it. */
const poll = async ({ client, form }: GrantRequest, deps: Deps): Promise<DeviceCode> => {
  const text = form.get('device_code')
  if (text === undefined) {
    throw refuse('invalid_request', 'device_code is missing.', 'missing_parameter')
  }
  const { client_id: clientId } = client
  const code = await deps.store.deviceCodes.poll(hashSecret(text), clientId, deps.now())
  if (code) return code
  throw grantOver('The device code is not one that this client can use.', 'unknown_device_code')
}

const checkApproved = ({ approved, expiresAt, polledTooSoon }: DeviceCode, now: Date): void => {
  if (approved === false) throw refuse('access_denied', 'The person said no.', 'consent_denied')
  if (expiresAt <= now) {
    throw refuse('expired_token', 'The device code has expired.', 'device_code_expired')
  }
  if (approved) return
  if (polledTooSoon) throw refuse('slow_down', 'The device asks too often.', 'slow_down')
  throw pending()
}

export const deviceCode: Grant = async (request, deps) => {
  const code = await poll(request, deps)
  checkApproved(code, deps.now())
  const granted = await deps.store.authorizationCodes.find(code.deviceCodeHash)
  // Between the yes and what it makes there is a moment.
  if (!granted) throw pending()
  return redeemCode(granted, request, deps)
}
