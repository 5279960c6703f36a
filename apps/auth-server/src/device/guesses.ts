/** How often somebody may try a code. RFC 8628 §5.1: the code is short, so the tries are few. */
import { OAuthError } from '@behalf/protocol'
import type { Deps } from '../deps.js'

const windowSeconds = 600

/** Within ten minutes. An address can be that of many, a person is one. */
const maxOfPerson = 10
const maxOfAddress = 50

const tooMany = (seconds: number): OAuthError =>
  new OAuthError('rate_limited', {
    description: 'Too many codes were tried. Wait a few minutes.',
    reason: 'too_many_guesses',
    headers: { 'Retry-After': String(Math.max(1, Math.ceil(seconds))) },
  })

/** Who guesses. */
export interface Guesser {
  subject: string
  address: string | undefined
}

const namesOf = ({ subject, address }: Guesser): [string, number][] => [
  [`device:person:${subject}`, maxOfPerson],
  ...(address === undefined
    ? []
    : [[`device:address:${address}`, maxOfAddress] as [string, number]]),
]

/** Counts first and looks afterwards. @throws OAuthError `rate_limited` */
export const countGuess = async (by: Guesser, { store, now }: Deps): Promise<void> => {
  for (const [name, max] of namesOf(by)) {
    const { count, endsAt } = await store.attempts.count({ name, windowSeconds, now: now() })
    if (count > max) throw tooMany((endsAt.getTime() - now().getTime()) / 1000)
  }
}

/** It was a code: nothing was guessed. */
export const forgiveGuess = async (by: Guesser, { store }: Deps): Promise<void> => {
  for (const [name] of namesOf(by)) await store.attempts.forgive(name)
}
