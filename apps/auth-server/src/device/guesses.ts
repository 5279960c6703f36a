/** How often somebody may try a code. RFC 8628 §5.1: the code is short, so the tries are few. */
import { OAuthError } from '@behalf/protocol'
import type { Deps } from '../deps.js'
import { secondsToNextPeriod } from '../store/guesses.js'

/** Within ten minutes. An address can be that of many, a person is one. */
const maxOfPerson = 10
const maxOfAddress = 50

const tooMany = (now: Date): OAuthError =>
  new OAuthError('rate_limited', {
    description: 'Too many codes were tried. Wait a few minutes.',
    reason: 'too_many_guesses',
    headers: { 'Retry-After': String(secondsToNextPeriod(now)) },
  })

/** Who guesses. */
export interface Guesser {
  subject: string
  address: string
}

const namesOf = ({ subject, address }: Guesser) =>
  [
    [`person:${subject}`, maxOfPerson],
    [`address:${address}`, maxOfAddress],
  ] as const

/** Counts first and looks afterwards. @throws OAuthError `rate_limited` */
export const countGuess = async (by: Guesser, { store, now }: Deps): Promise<void> => {
  const at = now()
  for (const [name, max] of namesOf(by)) {
    if ((await store.guesses.count(name, at)) > max) throw tooMany(at)
  }
}

/** It was a code: nothing was guessed. */
export const forgiveGuess = async (by: Guesser, { store, now }: Deps): Promise<void> => {
  for (const [name] of namesOf(by)) await store.guesses.forgive(name, now())
}
