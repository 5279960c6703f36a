/** Money in whole micro-USD (10⁻⁶ USD) as `bigint`. Decimal text in, decimal text out, no floats. */

/** The largest amount that we handle: 9,007,199,254 USD and the micros after it. */
export const maxMicroUsd = 9_007_199_254_999_999n

const decimal = /^(0|[1-9][0-9]{0,9})(?:\.([0-9]{1,6}))?$/
const maxExactDigits = 15

/**
 * Parses a decimal amount of USD, exactly, from its text.
 *
 * A JSON number has lost its text by the time that we see it, but the shortest text of a double of at
 * most 15 significant digits is the one that was written; longer ones must come as strings.
 *
 * @returns micro-USD, or `undefined` for anything else: signs, exponents, more than six decimals,
 * NaN, Infinity, spaces, other digits, amounts over {@link maxMicroUsd}.
 */
export const parseUsd = (value: unknown): bigint | undefined => {
  if (typeof value !== 'string' && typeof value !== 'number') return undefined
  if (Object.is(value, -0)) return undefined
  const digits = String(value)
  if (typeof value === 'number' && digits.replace('.', '').length > maxExactDigits) return undefined
  const match = decimal.exec(digits)
  if (!match) return undefined
  const [, whole = '0', fraction = ''] = match
  const microUsd = BigInt(whole) * 1_000_000n + BigInt(fraction.padEnd(6, '0'))
  return microUsd <= maxMicroUsd ? microUsd : undefined
}

/** Decimal text without needless zeros: `40000n` → `"0.04"`. */
export const formatUsd = (microUsd: bigint): string => {
  const sign = microUsd < 0n ? '-' : ''
  const digits = (microUsd < 0n ? -microUsd : microUsd).toString().padStart(7, '0')
  const fraction = digits.slice(-6).replace(/0+$/, '')
  return `${sign}${digits.slice(0, -6)}${fraction && `.${fraction}`}`
}

/** The JSON form of an amount in a claim: a number where a double holds it exactly, else text. */
export const usdClaim = (microUsd: bigint): number | string => {
  const text = formatUsd(microUsd)
  const number = Number(text)
  return parseUsd(number) === microUsd ? number : text
}
