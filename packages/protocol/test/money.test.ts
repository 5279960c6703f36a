import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { formatUsd, maxMicroUsd, parseUsd, usdClaim } from '../src/index.js'

const microUsd = fc.bigInt({ min: 0n, max: maxMicroUsd })

describe('money', () => {
  test('survives being written and read, to the micro', () => {
    fc.assert(fc.property(microUsd, (amount) => parseUsd(formatUsd(amount)) === amount))
  })

  test('survives a JSON claim, to the micro', () => {
    const throughJson = (amount: bigint) =>
      parseUsd(JSON.parse(JSON.stringify(usdClaim(amount)))) === amount
    fc.assert(fc.property(microUsd, throughJson))
  })

  test('keeps its edges', () => {
    for (const edge of [0n, 1n, 999_999n, 1_000_000n, maxMicroUsd - 1n, maxMicroUsd]) {
      expect(parseUsd(formatUsd(edge))).toBe(edge)
      expect(parseUsd(JSON.parse(JSON.stringify(usdClaim(edge))))).toBe(edge)
    }
  })

  test('is written in one way only', () => {
    expect(formatUsd(0n)).toBe('0')
    expect(formatUsd(1n)).toBe('0.000001')
    expect(formatUsd(40_000n)).toBe('0.04')
    expect(formatUsd(2_500_000n)).toBe('2.5')
    expect(formatUsd(1_000_000n)).toBe('1')
    expect(formatUsd(-1_500_000n)).toBe('-1.5')
  })

  test('of a claim is a number where a double holds it, and text where not', () => {
    expect(usdClaim(2_500_000n)).toBe(2.5)
    expect(usdClaim(1n)).toBe(0.000001)
    expect(usdClaim(maxMicroUsd)).toBe('9007199254.999999')
  })

  test('keeps its order when it is text of either length', () => {
    fc.assert(
      fc.property(microUsd, microUsd, (one, other) => {
        const [less, more] = one < other ? [one, other] : [other, one]
        return (parseUsd(formatUsd(less)) ?? 0n) <= (parseUsd(formatUsd(more)) ?? -1n)
      }),
    )
  })

  test.each([
    [0, 0n],
    ['0', 0n],
    ['0.0', 0n],
    [0.1, 100_000n],
    ['1.000000', 1_000_000n],
    [12.345678, 12_345_678n],
    [123_456_789.123456, 123_456_789_123_456n],
  ])('reads %j', (value, amount) => {
    expect(parseUsd(value)).toBe(amount)
  })

  const hostile: unknown[] = [
    ...[-1, -0, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1e21],
    ...[1e-7, 1.0000001, 0.1 + 0.2, 10_000_000_000, 5e-324, 9_007_199_254.740_993],
    // As JSON, since the language would not let us write them.
    ...JSON.parse('[1e309, -1e309, 9007199254740993, -0.0, 0.0000001]'),
    ...['', ' ', '-1', '-0', '+1', 'NaN', 'Infinity', '1e3', '1E3', '0x10', '0b1', '0o7', '1n'],
    ...[' 1', '1 ', '1\n', '\t1', '1.0000001', '1.', '.5', '.', '1..2', '1.2.3', '01', '00.5'],
    ...['1,5', '1_000', '1,000.00', '$1', '１', '１.５', '٣', '−1', '1\u0000', '1\u200b'],
    ...['9007199255', '99999999999', '9'.repeat(100_000)],
    ...[
      [],
      [1],
      {},
      { valueOf: () => 1 },
      Object(1),
      Object('1'),
      true,
      false,
      null,
      undefined,
      1n,
    ],
  ]

  test('is nothing else', () => {
    for (const value of hostile) expect([value, parseUsd(value)]).toEqual([value, undefined])
  })

  test('is never guessed from any text', () => {
    const isExact = (text: string) => {
      const amount = parseUsd(text)
      return amount === undefined || /^\d+(\.\d{1,6})?$/.test(text)
    }
    fc.assert(fc.property(fc.oneof(fc.string(), fc.double().map(String)), isExact))
  })

  test('of a number is the number that JSON would write, or nothing', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1e10 }), (number) => {
        const amount = parseUsd(number)
        return amount === undefined || Number(formatUsd(amount)) === number
      }),
    )
  })
})
