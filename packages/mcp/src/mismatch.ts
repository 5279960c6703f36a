/** What does not fit between this server and its issuer, and the one error that says all of it. */
import { OAuthError } from '@behalf/protocol'

/** One thing that does not fit, as `details.mismatches` of the error has it. */
export interface Mismatch {
  /** The option, or the member of the metadata, that it is about. */
  name: string
  expected: string
  found: string
  /** Nobody answered: it may fit after all. */
  unanswered?: true
}

const maxLength = 200

/** What others have written, for a person to compare letter by letter. */
export const shown = (value: unknown): string => {
  const text = value === undefined ? 'nothing' : (JSON.stringify(value) ?? 'nothing')
  return text.length > maxLength ? `${text.slice(0, maxLength)}…` : text
}

/** To the byte, slash and all. */
export const compare = (name: string, expected: string, found: unknown): Mismatch[] =>
  found === expected ? [] : [{ name, expected: shown(expected), found: shown(found) }]

const sentence = ({ name, expected, found }: Mismatch): string =>
  `${name}: expected ${expected}, found ${found}.`

/** @throws OAuthError `server_error`, or `temporarily_unavailable` when all that is wrong is silence */
export const throwMismatches = (mismatches: readonly Mismatch[]): void => {
  if (mismatches.length === 0) return
  const isSilence = mismatches.every(({ unanswered }) => unanswered)
  throw new OAuthError(isSilence ? 'temporarily_unavailable' : 'server_error', {
    description: `The configuration of this server does not hold. ${mismatches.map(sentence).join(' ')}`,
    reason: isSilence ? 'configuration_unverified' : 'configuration_mismatch',
    hint: 'Spell every URL exactly as the other side does. A slash at the end makes another name.',
    details: { mismatches },
  })
}
