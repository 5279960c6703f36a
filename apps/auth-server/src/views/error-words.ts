/** Finds the words for a refusal: of a person by its own, of a request by its reason, then by its code. */
import type { OAuthError } from '@behalf/protocol'
import type { ErrorText } from './error-texts.js'
import { texts } from './texts.js'

const refusals = new Map(
  Object.entries(texts.refusals).map(([reason, description]) => [reason, { description }]),
)
const byReason = new Map<string, ErrorText>([...Object.entries(texts.errors.reasons), ...refusals])
const byCode = new Map(Object.entries(texts.errors.codes))

/** Where there are no words of ours, those of the refusal. */
export const wordsFor = ({ code, reason, description, hint }: OAuthError): ErrorText => {
  const found = byReason.get(reason ?? '') ?? byCode.get(code)
  if (found) return found
  return { description: description ?? texts.common.problem, ...(hint !== undefined && { hint }) }
}
