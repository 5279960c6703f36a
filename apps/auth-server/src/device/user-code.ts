/** What a person types in: short, and never to be misread. RFC 8628 §6.1. */
import { randomInt } from 'node:crypto'

/** Consonants only: no letter looks like a digit, and no code spells a word. */
const alphabet = 'BCDFGHJKLMNPQRSTVWXZ'
const length = 8
const half = length / 2

/** One of 20^8, each as likely as the other. Kept and compared in this form. */
export const newUserCode = (): string =>
  Array.from({ length }, () => alphabet[randomInt(alphabet.length)]).join('')

/** As it is shown: `WDJB-MJHT`. */
export const formatUserCode = (code: string): string => `${code.slice(0, half)}-${code.slice(half)}`

/**
 * Any case, and whatever people put between the letters. Nothing else is guessed at.
 *
 * @returns `undefined` for what cannot be a code
 */
export const readUserCode = (text: string): string | undefined => {
  if (text.length > 40) return undefined
  const code = text.toUpperCase().replace(/[\s.,_\-\u2010-\u2015]/g, '')
  return code.length === length && [...code].every((letter) => alphabet.includes(letter))
    ? code
    : undefined
}
