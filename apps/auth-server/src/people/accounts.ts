/** What a person can do at our pages, one function each. better-auth does the work, behind `load`. */
import { isOAuthError, OAuthError } from '@behalf/protocol'
import { z } from 'zod'
import type { Auth } from './auth.js'
import type { PasswordHashing } from './hash-ahead.js'
import { checkNewPassword, type IsBreached } from './new-password.js'
import { maxPasswordLength } from './password-length.js'
import { refusePerson, toPersonRefusal } from './refusal.js'

/** Set-Cookie lines. */
export type Cookies = readonly string[]

export interface SignedIn {
  cookies: Cookies
  /** The password was right, and a code is asked for as well. */
  needsCode: boolean
}

export interface TwoFactorSetUp {
  cookies: Cookies
  /** `otpauth://…`, for an app that makes codes. */
  uri: string
  backupCodes: readonly string[]
}

export interface AccountsOptions {
  load: () => Promise<Auth>
  /** The next `load` starts from the configuration again. */
  reload: () => void
  passwords: PasswordHashing
  isBreached: IsBreached
}

/** Runs one call of better-auth, and says what it says in our words. */
const run = async <T>(call: () => Promise<{ headers: Headers; response: T }>) => {
  try {
    const { headers, response } = await call()
    return { cookies: headers.getSetCookie(), response }
  } catch (error) {
    throw toPersonRefusal(error)
  }
}

const emailSchema = z.email().max(254)

const checkEmail = (email: string): void => {
  if (!emailSchema.safeParse(email).success) throw refusePerson('malformed_email')
}

const unreachable = (cause?: unknown): OAuthError =>
  new OAuthError('temporarily_unavailable', {
    description: 'The other site does not answer. Try again soon, or sign in another way.',
    reason: 'provider_unreachable',
    headers: { 'Retry-After': '10' },
    cause,
  })

export const createAccounts = ({ load, reload, passwords, isBreached }: AccountsOptions) => ({
  signIn: async (
    headers: Headers,
    body: { email: string; password: string; returnTo: string },
  ): Promise<SignedIn> => {
    const { api } = await load()
    const { email, password, returnTo: callbackURL } = body
    if (password.length > maxPasswordLength) throw refusePerson('wrong_credentials')
    const signIn = () =>
      api.signInEmail({ body: { email, password, callbackURL }, headers, returnHeaders: true })
    const { cookies, response } = await run(signIn)
    return { cookies, needsCode: 'twoFactorRedirect' in response }
  },

  /** The same answer whether or not there is such an account: it goes to the letter box. */
  signUp: async (body: {
    email: string
    password: string
    name: string
    returnTo: string
  }): Promise<void> => {
    checkEmail(body.email)
    await checkNewPassword(body.password, isBreached)
    const { api } = await load()
    const { returnTo: callbackURL, ...person } = body
    await run(() => api.signUpEmail({ body: { ...person, callbackURL }, returnHeaders: true }))
  },

  verifyEmail: async (token: string): Promise<void> => {
    const { api } = await load()
    await run(() => api.verifyEmail({ query: { token }, returnHeaders: true }))
  },

  requestReset: async (email: string): Promise<void> => {
    checkEmail(email)
    const { api } = await load()
    await run(() => api.requestPasswordReset({ body: { email }, returnHeaders: true }))
  },

  /** Ends every session of the person. */
  reset: async (token: string, newPassword: string): Promise<void> => {
    const { api, $context } = await load()
    // A made-up letter costs neither a hash nor a question to the list of stolen passwords.
    const { internalAdapter } = await $context
    if (!(await internalAdapter.findVerificationValue(`reset-password:${token}`))) {
      throw refusePerson('link_expired')
    }
    await checkNewPassword(newPassword, isBreached)
    await passwords.ahead(newPassword, () =>
      run(() => api.resetPassword({ body: { token, newPassword }, returnHeaders: true })),
    )
  },

  /**
   * Ends every session of the person, this one too: whoever has stolen its cookie is out as well. The
   * browser gets a new one. Better-auth wants the password that they had.
   */
  changePassword: async (
    headers: Headers,
    { current, next }: { current: string; next: string },
  ): Promise<{ cookies: Cookies; token: string | undefined }> => {
    if (current.length > maxPasswordLength) throw refusePerson('wrong_password')
    await checkNewPassword(next, isBreached)
    const { api } = await load()
    const body = { currentPassword: current, newPassword: next, revokeOtherSessions: true }
    const { cookies, response } = await run(() =>
      api.changePassword({ body, headers, returnHeaders: true }),
    )
    return { cookies, token: response.token ?? undefined }
  },

  /** The second step of a sign-in: a code of the app, or a backup code, which works once. */
  enterCode: async (headers: Headers, code: string): Promise<Cookies> => {
    const { api } = await load()
    const isTotp = /^\d{6}$/.test(code)
    const { cookies } = await run<unknown>(() =>
      isTotp
        ? api.verifyTOTP({ body: { code }, headers, returnHeaders: true })
        : api.verifyBackupCode({ body: { code }, headers, returnHeaders: true }),
    )
    return cookies
  },

  /** Made, and asked for at sign-in once `enterCode` has seen a first code. */
  startTwoFactor: async (headers: Headers, password: string): Promise<TwoFactorSetUp> => {
    const { api } = await load()
    const { cookies, response } = await run(() =>
      api.enableTwoFactor({ body: { password }, headers, returnHeaders: true }),
    )
    if (response.method !== 'totp') throw new TypeError('two-factor is by an app')
    return { cookies, uri: response.totpURI, backupCodes: response.backupCodes }
  },

  stopTwoFactor: async (headers: Headers, password: string): Promise<Cookies> => {
    const { api } = await load()
    const stop = () => api.disableTwoFactor({ body: { password }, headers, returnHeaders: true })
    return (await run(stop)).cookies
  },

  /** Where to send the browser, for an account elsewhere. */
  signInElsewhere: async (headers: Headers, provider: string, callbackURL: string) => {
    const { api } = await load()
    const body = { provider, callbackURL, disableRedirect: true }
    const { cookies, response } = await run(() =>
      api.signInSocial({ body, headers, returnHeaders: true }),
    ).catch((error: unknown) => {
      // It is configured, or we would not be here: its discovery failed when all was set up.
      reload()
      throw isOAuthError(error) ? unreachable(error) : error
    })
    if (!response.url) throw unreachable()
    return { cookies, url: response.url }
  },

  /** The same, for the identity provider of an organization. */
  signInUpstream: async (headers: Headers, providerId: string, callbackURL: string) => {
    const { handler, options } = await load()
    const address = `${options.baseURL}${options.basePath}/sign-in/sso`
    const cookie = headers.get('cookie')
    const answer = await handler(
      new Request(address, {
        method: 'POST',
        headers: {
          'Content-Type': 'application/json',
          Origin: String(options.baseURL),
          ...(cookie !== null && { Cookie: cookie }),
        },
        body: JSON.stringify({ providerId, callbackURL }),
      }),
    )
    const { url } = (await answer.json()) as { url?: unknown }
    if (!answer.ok || typeof url !== 'string') throw unreachable()
    return { cookies: answer.headers.getSetCookie(), url }
  },

  passkeys: async (headers: Headers) => {
    const { api } = await load()
    return api.listPasskeys({ headers })
  },

  removePasskey: async (headers: Headers, id: string): Promise<void> => {
    const { api } = await load()
    await run(() => api.deletePasskey({ body: { id }, headers, returnHeaders: true }))
  },
})

export type Accounts = ReturnType<typeof createAccounts>
