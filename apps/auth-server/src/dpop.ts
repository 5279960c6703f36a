/**
 * Tokens here are not bound to keys. Whoever asks for that believes that theirs will be, so they are told,
 * and do not get a bearer token in its place. The metadata offers no `dpop_signing_alg_values_supported`
 * (RFC 9449 §5.1), so stock clients do not ask.
 */
import { OAuthError } from '@behalf/protocol'

export const dpopNotSupported = (): OAuthError =>
  new OAuthError('invalid_request', {
    description: 'This server does not bind tokens to keys.',
    reason: 'dpop_not_supported',
    hint: 'Send no DPoP header and no dpop_jkt: the metadata names no dpop_signing_alg_values_supported.',
  })
