import { describe, expect, test } from 'vitest'
import { parseChallenges } from '../src/challenge.js'

const read = (header: string | null) =>
  parseChallenges(header).map(({ scheme, params }) => [scheme, Object.fromEntries(params)])

describe('WWW-Authenticate', () => {
  test('is read with quoted and plain values, in any case and spacing', () => {
    expect(read('BEARER Realm="a \\"b\\", c" , scope = "x y",error=invalid_token')).toEqual([
      ['bearer', { realm: 'a "b", c', scope: 'x y', error: 'invalid_token' }],
    ])
  })

  test('may hold several challenges, bare ones and token68 ones among them', () => {
    expect(
      read('Negotiate, Basic YWJj==, DPoP algs="ES256", Bearer resource_metadata="u"'),
    ).toEqual([
      ['negotiate', {}],
      ['basic', {}],
      ['dpop', { algs: 'ES256' }],
      ['bearer', { resource_metadata: 'u' }],
    ])
  })

  test('says nothing when it is absent, broken, ambiguous or endless', () => {
    const twice = 'Bearer scope="a", scope="b"'
    const broken = ['Bearer scope="a', 'Bearer =x', '"Bearer"', 'Bearer a="b" c="d" @']
    for (const header of [null, '', twice, ...broken, `Bearer a="${'x'.repeat(9000)}"`]) {
      expect(read(header)).toEqual([])
    }
  })

  test('is read in linear time', () => {
    const start = performance.now()
    for (const filler of ['Bearer ', 'a,', 'a=', '"\\', ' ']) parseChallenges(filler.repeat(1000))
    expect(performance.now() - start).toBeLessThan(200)
  })
})
