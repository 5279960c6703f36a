import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  decodeBase64url,
  encodeBase64url,
  maxTokenLength,
  parseCompactJws,
  parseJsonObject,
} from '../src/index.js'
import { refusal } from './refusal.js'

const bytesOf = (text: string) => new TextEncoder().encode(text)
const encode = (text: string) => encodeBase64url(bytesOf(text))

const header = encode('{"alg":"ES256","typ":"at+jwt","kid":"k1"}')
const payload = encode('{"sub":"researcher"}')
// Two bytes, so that the last character has bits to spare.
const signature = encodeBase64url(new Uint8Array([1, 2]))
const token = `${header}.${payload}.${signature}`

const parseJson = (json: string) => parseJsonObject(bytesOf(json))

describe('base64url', () => {
  test('survives being written and read', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 500 }), (bytes) => {
        expect(Array.from(decodeBase64url(encodeBase64url(bytes)))).toEqual(Array.from(bytes))
      }),
    )
  })

  test('has one spelling: whatever is read is what would be written', () => {
    const alphabet = fc.constantFrom(...'AQgwZ_-+/= \n'.split(''))
    fc.assert(
      fc.property(fc.string({ unit: alphabet, maxLength: 12 }), (text) => {
        try {
          return encodeBase64url(decodeBase64url(text)) === text
        } catch (error) {
          return (error as { code?: string }).code === 'invalid_token'
        }
      }),
      { numRuns: 2000 },
    )
  })

  test.each([
    ['padding', 'AQI='],
    ['more padding', 'AQ=='],
    ['left-over bits', 'AQJ'],
    ['more left-over bits', 'AR'],
    ['the standard alphabet', '+/+/'],
    ['a space', 'AQ I'],
    ['a line break', 'AQI\n'],
    ['one character too many', 'AQIDA'],
    ['a letter beyond ASCII', 'AQÍ'],
    ['a full-width letter', 'ＡＱＩ'],
    ['U+0000', 'AQI\u0000'],
  ])('is refused with %s', (_, text) => {
    expect(refusal(() => decodeBase64url(text))).toMatch(/^invalid_token .*base64url$/)
  })
})

describe('a compact JWS', () => {
  test('is split, decoded and not believed', () => {
    const jws = parseCompactJws(token)
    expect(jws.header).toEqual({ alg: 'ES256', typ: 'at+jwt', kid: 'k1' })
    expect(jws.payload).toEqual({ sub: 'researcher' })
    expect(jws.signingInput).toBe(`${header}.${payload}`)
    expect(Array.from(jws.signature)).toEqual([1, 2])
  })

  const last = signature.at(-1) ?? ''
  const next = String.fromCharCode(last.charCodeAt(0) + 1)

  test.each([
    ['padding', `${token}=`],
    ['padding in the header', `${header}=.${payload}.${signature}`],
    ['left-over bits', `${token.slice(0, -1)}${next}`],
    ['a space behind', `${token} `],
    ['a space in front', ` ${token}`],
    ['a space within', `${header}. ${payload}.${signature}`],
    ['a line break behind', `${token}\n`],
    ['the standard alphabet', `${header}.${payload}.+/+/`],
    ['percent encoding', token.replace('.', '%2E')],
    ['a fourth part', `${token}.AQ`],
    ['two parts', `${header}.${payload}`],
    ['no signature', `${header}.${payload}.`],
    ['an empty payload', `${header}..${signature}`],
    ['the scheme in front', `Bearer ${token}`],
    ['the JSON serialization', '{"payload":"e30","signatures":[]}'],
    ['nothing', ''],
    ['dots', '..'],
  ])('is refused with %s', (_, text) => {
    expect(refusal(() => parseCompactJws(text))).toMatch(/^invalid_token /)
  })

  test('is refused unread beyond its length', () => {
    const long = `${token}${'A'.repeat(maxTokenLength)}`
    expect(refusal(() => parseCompactJws(long))).toBe('invalid_token token_too_long')
    expect(refusal(() => parseCompactJws('A'.repeat(1 << 20)))).toBe('invalid_token token_too_long')
  })

  test('of any text at all is parsed or refused, and nothing else', () => {
    const part = fc.oneof(fc.string(), fc.json().map(encode), fc.base64String())
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.tuple(part, part, part)), (parts) => {
        const text = typeof parts === 'string' ? parts : parts.join('.')
        expect(refusal(() => parseCompactJws(text))).toMatch(/^(was accepted|invalid_token )/)
      }),
    )
  })
})

describe('a JSON object', () => {
  test.each([
    ['a name twice', '{"sub":"a","sub":"b"}'],
    ['a name twice, once escaped', '{"sub":"a","\\u0073ub":"b"}'],
    ['a name twice, both escaped otherwise', '{"\\u002f":1,"\\/":2}'],
    ['a name twice further down', '{"act":{"sub":"a","sub":"b"}}'],
    ['a name twice in a list', '{"a":[{"b":1,"b":2}]}'],
    ['a name twice around an object', '{"a":{"b":1},"a":2}'],
    ['a name twice with space before the colon', '{"a" :1,"a"\n:2}'],
    ['the empty name twice', '{"":1,"":2}'],
  ])('is refused with %s', (_, json) => {
    expect(refusal(() => parseJson(json))).toBe('invalid_token duplicate_member')
  })

  test.each([
    ['the same name in two objects', '{"a":{"b":1},"c":{"b":1}}'],
    ['the same name one level down', '{"a":{"a":{"a":1}}}'],
    ['a text that equals a name', '{"a":"a","b":["a","b","a"]}'],
    ['a text that looks like members', '{"a":"\\"b\\":1,\\"b\\":2"}'],
    ['braces in a text', '{"a":"}{][","b":1}'],
    ['a backslash at the end of a text', '{"a":"\\\\","b":"\\\\"}'],
    ['names that only look alike', '{"a":1,"A":2,"а":3}'],
  ])('may have %s', (_, json) => {
    expect(parseJson(json)).toEqual(JSON.parse(json))
  })

  test('is read as JSON.parse reads it, when no name comes twice', () => {
    const object = fc.dictionary(fc.string(), fc.jsonValue(), { noNullPrototype: true })
    fc.assert(
      fc.property(object, (value) => {
        const json = JSON.stringify(value, undefined, 2)
        const isForbidden = Object.hasOwn(value, '__proto__')
        if (isForbidden) expect(() => parseJson(json)).toThrow()
        else expect(parseJson(json)).toEqual(JSON.parse(json))
      }),
    )
  })

  test('has no __proto__', () => {
    expect(refusal(() => parseJson('{"__proto__":{"sub":"admin"}}'))).toBe(
      'invalid_token forbidden_member',
    )
    expect(refusal(() => parseJson('{"\\u005f_proto__":1}'))).toBe('invalid_token forbidden_member')
  })

  test.each(['[]', 'null', '1', '"a"', 'true', '', ' ', '{', '{"a":1}x', "{'a':1}", '\ufeff{}'])(
    'is not %j',
    (json) => {
      expect(refusal(() => parseJson(json))).toBe('invalid_token malformed_json')
    },
  )

  test('is UTF-8', () => {
    const invalid = Uint8Array.from([...bytesOf('{"a":"'), 0xff, ...bytesOf('"}')])
    expect(refusal(() => parseJsonObject(invalid))).toBe('invalid_token malformed_json')
  })

  const mebibyte = 1 << 20
  const bombs: [string, string][] = [
    ['lists in lists', `{"a":${'['.repeat(mebibyte / 2)}${']'.repeat(mebibyte / 2)}}`],
    ['lists that never end', `{"a":${'['.repeat(mebibyte)}`],
    ['objects in objects', `${'{"a":'.repeat(mebibyte / 6)}1${'}'.repeat(mebibyte / 6)}`],
    ['one long text', `{"a":"${'x'.repeat(16 * mebibyte)}"}`],
    ['escapes', `{"a":"${'\\"'.repeat(mebibyte / 2)}"}`],
    ['a text that never ends', `{"a":"${'x'.repeat(mebibyte)}`],
    ['backslashes that never end', `{"a":"${'\\'.repeat(mebibyte)}`],
    ['spaces', `{"a"${' '.repeat(mebibyte)}:1}`],
    ['empty texts', `{"a":[${'"",'.repeat(mebibyte / 3)}""]}`],
    ['digits', `{"a":${'9'.repeat(mebibyte)}}`],
  ]

  test.each(bombs)('of %s is answered soon, and with nothing but an OAuthError', (_, json) => {
    const begun = performance.now()
    expect(refusal(() => parseJson(json))).toMatch(/^(was accepted|invalid_token )/)
    expect(performance.now() - begun).toBeLessThan(3000)
  })
})
