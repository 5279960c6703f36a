/** A device asks for a code of its own, and for one that a person can type. RFC 8628 §3.2. */
import { OAuthError } from '@behalf/protocol'
import type { Deps } from '../deps.js'
import { hashSecret, newSecret } from '../secrets.js'
import { formatUserCode, newUserCode } from './user-code.js'

const lifetimeSeconds = 600
const intervalSeconds = 5

/** Two of 20^8 are seldom the same. Three times in a row is no chance. */
const attempts = 3

const tooMany = (): OAuthError =>
  new OAuthError('temporarily_unavailable', {
    description: 'Too many devices of this client wait for a person.',
    reason: 'too_many_device_codes',
    headers: { 'Retry-After': '60' },
  })

export interface DeviceRequest {
  clientId: string
  scope: readonly string[]
  resources: readonly string[]
}

const insert = async (request: DeviceRequest, deviceCode: string, deps: Deps): Promise<string> => {
  const createdAt = deps.now()
  for (let attempt = 0; attempt < attempts; attempt += 1) {
    const userCode = newUserCode()
    const outcome = await deps.store.deviceCodes.insert({
      deviceCodeHash: hashSecret(deviceCode),
      userCodeHash: hashSecret(userCode),
      clientId: request.clientId,
      scope: [...request.scope],
      resources: [...request.resources],
      createdAt,
      expiresAt: new Date(createdAt.getTime() + lifetimeSeconds * 1000),
      interval: intervalSeconds,
    })
    if (outcome === 'made') return userCode
    if (outcome === 'full') throw tooMany()
  }
  throw new Error('no user code is free')
}

/** @returns the body of the answer */
export const startDevice = async (request: DeviceRequest, deps: Deps) => {
  const deviceCode = newSecret('dc')
  const userCode = formatUserCode(await insert(request, deviceCode, deps))
  const page = `${deps.issuer}/device`
  return {
    device_code: deviceCode,
    user_code: userCode,
    verification_uri: page,
    // It only saves typing: the person is asked all the same.
    verification_uri_complete: `${page}?user_code=${userCode}`,
    expires_in: lifetimeSeconds,
    interval: intervalSeconds,
  }
}
