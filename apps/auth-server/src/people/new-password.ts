/** What holds for every password that somebody chooses. */
import type { PasswordStanding } from './breached-passwords.js'
import { maxPasswordLength, minPasswordLength } from './password-length.js'
import { refusePerson } from './refusal.js'

export type IsBreached = (password: string) => Promise<PasswordStanding>

/** Length first: the shortest of them need no list. @throws OAuthError */
export const checkNewPassword = async (password: string, isBreached: IsBreached): Promise<void> => {
  if (password.length < minPasswordLength) throw refusePerson('password_too_short')
  if (password.length > maxPasswordLength) throw refusePerson('password_too_long')
  const standing = await isBreached(password)
  if (standing === 'breached') throw refusePerson('password_breached')
  if (standing === 'unknown') throw refusePerson('password_unchecked')
}
