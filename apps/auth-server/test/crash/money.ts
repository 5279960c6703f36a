/** Decimal text and whole micro-USD, for amounts that these tests make up or were told. */
import { formatUsd, parseUsd } from '@behalf/protocol'
import type { Random } from './seeded.js'

export const microsOf = (usd: unknown): bigint => parseUsd(String(usd)) ?? 0n

export const someMicros = (random: Random, most: number): bigint =>
  BigInt(1000 + random.below(most - 1000))

export const someUsd = (random: Random, most: number): string => formatUsd(someMicros(random, most))
