/** What somebody agreed to, or was given for it, is no longer there. */
import { OAuthError } from '@behalf/protocol'

/** RFC 6749 §5.2. The client has to send the person again; its own credentials are good. */
export const grantOver = (description: string, reason: string): OAuthError =>
  new OAuthError('invalid_grant', {
    description,
    reason,
    hint: 'Send the person to the authorization endpoint again.',
  })
