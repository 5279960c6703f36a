/** Why somebody could not sign in. The words for them stand in the texts, under the same names. */
import { OAuthError } from '@behalf/protocol'

const statusByReason = {
  wrong_credentials: 401,
  email_not_verified: 403,
  person_disabled: 403,
  sign_up_closed: 403,
  account_exists: 409,
  password_too_short: 400,
  password_too_long: 400,
  password_breached: 400,
  password_unchecked: 503,
  malformed_email: 400,
  link_expired: 400,
  wrong_code: 401,
  too_many_codes: 429,
  sign_in_expired: 400,
  too_many_attempts: 429,
  wrong_password: 401,
  no_password: 400,
  provider_unknown: 404,
  name_missing: 400,
  organization_rights: 403,
  last_owner: 409,
  member_gone: 404,
  already_member: 409,
  invitation_gone: 404,
  invitation_over: 400,
  invitation_for_another: 403,
  invitation_unconfirmed: 403,
  too_many_invitations: 429,
  not_sure: 400,
} as const

export type PersonRefusal = keyof typeof statusByReason

/** What better-auth says, in our words. */
const reasonByCode: ReadonlyMap<string, PersonRefusal> = new Map([
  ['INVALID_EMAIL_OR_PASSWORD', 'wrong_credentials'],
  ['EMAIL_NOT_VERIFIED', 'email_not_verified'],
  ['PERSON_DISABLED', 'person_disabled'],
  ['SIGN_UP_CLOSED', 'sign_up_closed'],
  ['EMAIL_PASSWORD_SIGN_UP_DISABLED', 'sign_up_closed'],
  ['PASSWORD_TOO_SHORT', 'password_too_short'],
  ['PASSWORD_TOO_LONG', 'password_too_long'],
  ['INVALID_EMAIL', 'malformed_email'],
  ['INVALID_TOKEN', 'link_expired'],
  ['TOKEN_EXPIRED', 'link_expired'],
  ['USER_NOT_FOUND', 'link_expired'],
  ['INVALID_CODE', 'wrong_code'],
  ['INVALID_BACKUP_CODE', 'wrong_code'],
  ['INVALID_TWO_FACTOR_COOKIE', 'sign_in_expired'],
  ['TOO_MANY_ATTEMPTS_REQUEST_NEW_CODE', 'too_many_codes'],
  ['ACCOUNT_TEMPORARILY_LOCKED', 'too_many_codes'],
  ['INVALID_PASSWORD', 'wrong_password'],
  ['CREDENTIAL_ACCOUNT_NOT_FOUND', 'no_password'],
  ['PROVIDER_NOT_FOUND', 'provider_unknown'],
  ['NO_PROVIDER_FOUND', 'provider_unknown'],
])

export const isPersonRefusal = (reason: string | undefined): reason is PersonRefusal =>
  reason !== undefined && Object.hasOwn(statusByReason, reason)

export const refusePerson = (
  reason: PersonRefusal,
  headers: Record<string, string> = {},
): OAuthError =>
  new OAuthError('access_denied', { status: statusByReason[reason], reason, headers })

/** The shape of better-auth's errors; its class would have to be loaded to be asked for. */
interface LibraryError {
  statusCode?: unknown
  body?: { code?: unknown }
}

/** Anything that is no refusal of better-auth's stays what it is. */
export const toPersonRefusal = (error: unknown): unknown => {
  const { statusCode, body } = (error ?? {}) as LibraryError
  if (typeof statusCode !== 'number' || statusCode >= 500) return error
  const reason = reasonByCode.get(String(body?.code))
  if (reason !== undefined) return refusePerson(reason)
  const description = 'Something in the form cannot be read.'
  return new OAuthError('invalid_request', { description, reason: 'malformed_form', cause: error })
}
