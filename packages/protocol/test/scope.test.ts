import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { formatScope, intersectScope, missingScope, parseScope, readScope } from '../src/index.js'
import { refusal } from './refusal.js'

const visible = Array.from({ length: 0x7f - 0x21 }, (_, index) =>
  String.fromCharCode(0x21 + index),
).filter((character) => character !== '"' && character !== '\\')
const word = fc.string({ unit: fc.constantFrom(...visible), minLength: 1, maxLength: 20 })
const words = fc.uniqueArray(word, { maxLength: 20 })

describe('scope', () => {
  test('survives being written and read, in its order', () => {
    const isSame = (scope: string[]) => {
      expect(parseScope(formatScope(scope))).toEqual(scope)
    }
    fc.assert(fc.property(fc.uniqueArray(word, { minLength: 1, maxLength: 20 }), isSame))
  })

  test('names each word once', () => {
    expect(parseScope('b a b a')).toEqual(['b', 'a'])
  })

  test.each([
    ['nothing', ''],
    ['a space alone', ' '],
    ['a space in front', ' a'],
    ['a space behind', 'a '],
    ['two spaces', 'a  b'],
    ['a tab', 'a\tb'],
    ['a line break', 'a\nb'],
    ['a quote', 'a"b'],
    ['a backslash', 'a\\b'],
    ['a control character', 'a\u0000'],
    ['DEL', 'a\u007f'],
    ['a letter beyond ASCII', 'é'],
    ['a no-break space', 'a\u00a0b'],
    ['more than 4096 characters', 'a'.repeat(4097)],
  ])('is refused with %s', (_, scope) => {
    expect(readScope(scope)).toBeUndefined()
    expect(refusal(() => parseScope(scope))).toBe('invalid_scope malformed_scope')
  })

  test('may be as long as the limit', () => {
    expect(readScope('a'.repeat(4096))).toHaveLength(1)
  })

  test('compares whole words in their exact case', () => {
    expect(intersectScope(['docs', 'Docs:read', 'docs:re'], ['docs:read'])).toEqual([])
    expect(missingScope(['docs:read'], ['docs', 'DOCS:READ'])).toEqual(['docs:read'])
  })

  test('is split by another into what both have and what is missing', () => {
    fc.assert(
      fc.property(words, words, (wanted, held) => {
        const common = intersectScope(wanted, held)
        const missing = missingScope(wanted, held)
        expect(common.every((one) => held.includes(one))).toBe(true)
        expect(missing.some((one) => held.includes(one))).toBe(false)
        expect([...common, ...missing].sort()).toEqual([...wanted].sort())
      }),
    )
  })
})
