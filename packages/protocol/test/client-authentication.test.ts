import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { basicAuthorization, readBasicAuthorization } from '../src/index.js'

// Whole characters: half a surrogate pair has no UTF-8 to be encoded as.
const text = fc.string({ unit: 'binary', minLength: 1, maxLength: 50 })

const basic = (pair: string) => `Basic ${btoa(pair)}`

describe('HTTP Basic for clients', () => {
  test('survives being written and read, whatever the id and the secret', () => {
    fc.assert(
      fc.property(text, text, (clientId, clientSecret) => {
        const header = basicAuthorization(clientId, clientSecret)
        expect(readBasicAuthorization(header)).toEqual({ clientId, clientSecret })
      }),
    )
  })

  test('encodes both parts before it joins them (RFC 6749 §2.3.1)', () => {
    const header = basicAuthorization('https://a.example', 'p:w +%é')
    expect(atob(header.slice('Basic '.length))).toBe('https%3A%2F%2Fa.example:p%3Aw+%2B%25%C3%A9')
  })

  test.each([
    ['a scheme in another case', `bAsIc ${btoa('a:b')}`, { clientId: 'a', clientSecret: 'b' }],
    ['two spaces', `Basic  ${btoa('a:b')}`, { clientId: 'a', clientSecret: 'b' }],
    ['no padding', 'Basic YTpiYg', { clientId: 'a', clientSecret: 'bb' }],
    ['a colon in the secret', basic('a:b:c'), { clientId: 'a', clientSecret: 'b:c' }],
  ])('reads %s', (_, header, credentials) => {
    expect(readBasicAuthorization(header)).toEqual(credentials)
  })

  test.each([
    ['nothing', ''],
    ['the scheme alone', 'Basic'],
    ['the scheme and a space', 'Basic '],
    ['another scheme', `Bearer ${btoa('a:b')}`],
    ['no space', `Basic${btoa('a:b')}`],
    ['a tab', `Basic\t${btoa('a:b')}`],
    ['a space in front', ` ${basic('a:b')}`],
    ['a space behind', `${basic('a:b')} `],
    ['two credentials', `${basic('a:b')}, ${basic('a:b')}`],
    ['base64url', 'Basic Pz8_Pz8-'],
    ['what is not base64', 'Basic a'],
    ['padding within', 'Basic YT==piYg'],
    ['no colon', basic('ab')],
    ['no id', basic(':b')],
    ['no secret', basic('a:')],
    ['a colon alone', basic(':')],
    ['half an escape', basic('a:%4')],
    ['an escape that is no hexadecimal', basic('a:%zz')],
    ['an escape that is no UTF-8', basic('a:%ff')],
    ['half a surrogate pair', basic('a:%ED%A0%BD')],
    ['a raw byte beyond ASCII', basic('a:\xff')],
    ['raw UTF-8', basic('a:\xc3\xa9')],
    ['a raw U+0000', basic('a:\u0000')],
    ['a raw line break', basic('a:b\n')],
    ['a raw space', basic('a:b c')],
  ])('is refused with %s', (_, header) => {
    expect(readBasicAuthorization(header)).toBeUndefined()
  })

  test('answers soon, however long the header', () => {
    const begun = performance.now()
    for (const filling of ['A', ' ', '=', '%']) {
      expect(readBasicAuthorization(`Basic ${filling.repeat(1 << 20)}`)).toBeUndefined()
    }
    expect(performance.now() - begun).toBeLessThan(1000)
  })

  test('of any header is read or refused, and never throws', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.string().map((pair) => `Basic ${pair}`),
        ),
        (header) => {
          const credentials = readBasicAuthorization(header)
          return credentials === undefined || credentials.clientId !== ''
        },
      ),
    )
  })
})
