import { OAuthError } from '@behalf/protocol'
import { expect, test } from 'vitest'
import { wordsFor } from './error-words.js'
import { texts } from './texts.js'

const refusal = (reason?: string) =>
  new OAuthError('invalid_request', { description: 'As thrown.', hint: 'For makers.', reason })

test('a refusal is told in the words of its reason, and not in those it was thrown with', () => {
  expect(wordsFor(refusal('unknown_client'))).toEqual(texts.errors.reasons.unknown_client)
  expect(wordsFor(refusal('foreign_origin'))).not.toHaveProperty('hint')
})

test('a refusal of a person is told in the words of the forms', () => {
  expect(wordsFor(refusal('wrong_code'))).toEqual({ description: texts.refusals.wrong_code })
})

test('without words for its reason it is told in those of its code', () => {
  const error = new OAuthError('temporarily_unavailable', { reason: 'of a new kind' })
  expect(wordsFor(error)).toEqual(texts.errors.codes.temporarily_unavailable)
})

test.each(['of a new kind', 'constructor', undefined])('without any, as thrown: %s', (reason) => {
  expect(wordsFor(refusal(reason))).toEqual({ description: 'As thrown.', hint: 'For makers.' })
  const silent = new OAuthError('invalid_request')
  expect(wordsFor(silent)).toEqual({ description: texts.common.problem })
})
