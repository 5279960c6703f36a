/** What is written to people. Sent in the background, so that the time taken tells nobody anything. */
import type { Logger } from 'pino'
import { texts } from '../views/texts.js'
import type { Letter, Mailer } from './mailer.js'
import { safeReturnTo } from './return-to.js'

export interface Letters {
  verify: (email: string, token: string, returnTo: string | null) => void
  reset: (email: string, token: string) => void
  accountExists: (email: string) => void
  /** @param inviter their address: a name could say anything */
  invitation: (
    email: string,
    words: { organization: string; inviter: string; token: string },
  ) => void
}

interface Words {
  subject: string
  text: string
  ignore?: string
}

export const createLetters = (issuer: string, mailer: Mailer, log: Logger): Letters => {
  const { pathname } = new URL(issuer)
  const base = pathname === '/' ? '' : pathname
  const link = (path: string, query: Record<string, string>): string =>
    `${issuer}${path}?${new URLSearchParams(query)}`
  const send = (to: string, words: Words, target: string): void => {
    const text = `${words.text}\n\n${target}\n\n${words.ignore ?? texts.letters.ignore}\n`
    const letter: Letter = { to, subject: words.subject, text, link: target }
    mailer(letter).catch((error: Error) => log.error({ error: error.message }, 'no mail was sent'))
  }
  return {
    verify: (email, token, returnTo) => {
      const back = safeReturnTo(returnTo ?? undefined, base)
      send(email, texts.letters.verify, link('/verify-email', { token, return_to: back }))
    },
    reset: (email, token) => send(email, texts.letters.reset, link('/reset-password', { token })),
    accountExists: (email) => send(email, texts.letters.accountExists, link('/sign-in', {})),
    invitation: (email, { token, ...words }) =>
      send(email, texts.letters.invitation(words), link('/account/invitation', { token })),
  }
}
