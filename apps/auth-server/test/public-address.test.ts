/** Addresses of the special-use registries, in every spelling, as properties against Node's own lists. */
import { BlockList } from 'node:net'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isPublicAddress } from '../src/registration/public-address.js'

const special4: [string, number][] = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.31.196.0', 24],
  ['192.52.193.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['192.175.48.0', 24],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
]
const special6: [string, number][] = [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['2620:4f:8000::', 48],
  ['3fff::', 20],
]

const blocked = new BlockList()
for (const [net, prefix] of special4) blocked.addSubnet(net, prefix, 'ipv4')
for (const [net, prefix] of special6) blocked.addSubnet(net, prefix, 'ipv6')
const global6 = new BlockList()
global6.addSubnet('2000::', 3, 'ipv6')

const dotted = (bytes: readonly number[]): string => bytes.join('.')
const hex = (bytes: readonly number[]): string[] =>
  Array.from({ length: bytes.length / 2 }, (_, at) =>
    (((bytes[2 * at] ?? 0) << 8) | (bytes[2 * at + 1] ?? 0)).toString(16),
  )

const octet = fc.integer({ min: 0, max: 255 })
const randomOctets = (length: number) => fc.array(octet, { minLength: length, maxLength: length })

const octetsOf = (address: string): number[] => address.split('.').map(Number)

/** Random ones, and ones near the edges of the ranges, where the mistakes are. */
const ipv4 = fc.oneof(
  randomOctets(4),
  fc
    .tuple(fc.constantFrom(...special4.map(([net]) => octetsOf(net))), randomOctets(4), octet)
    .map(([net, random, mask]) => net.map((one, at) => (one ^ ((random[at] ?? 0) & mask)) & 255)),
  fc.constantFrom(...special4.map(([net]) => octetsOf(net))).chain((net) =>
    fc.constantFrom(-1, 1).map((step) => {
      const number = net.reduce((sum, one) => sum * 256 + one, 0) + step
      return [24, 16, 8, 0].map((shift) => Math.floor(number / 2 ** shift) & 255)
    }),
  ),
)

test('an IPv4 address is public exactly when no special-use range has it', () => {
  fc.assert(
    fc.property(ipv4, (bytes) => {
      const address = dotted(bytes)
      expect(isPublicAddress(address)).toBe(!blocked.check(address, 'ipv4'))
    }),
    { numRuns: 3000 },
  )
})

test('IPv4 within IPv6 is judged as the IPv4 address, however it is spelt', () => {
  fc.assert(
    fc.property(ipv4, fc.boolean(), (bytes, upper) => {
      const [high, low] = hex(bytes)
      const spellings = [
        `::ffff:${dotted(bytes)}`,
        `::ffff:${high}:${low}`,
        `0:0:0:0:0:ffff:${high}:${low}`,
        `0000:0000:0000:0000:0000:ffff:${dotted(bytes)}`,
        `64:ff9b::${dotted(bytes)}`,
        `64:ff9b::${high}:${low}`,
        `0064:ff9b:0:0:0:0:${high}:${low}`,
      ].map((text) => (upper ? text.toUpperCase() : text))
      const expected = isPublicAddress(dotted(bytes))
      for (const text of spellings) expect([text, isPublicAddress(text)]).toEqual([text, expected])
    }),
  )
})

const ipv6 = fc.oneof(
  randomOctets(16),
  fc
    .tuple(
      fc.constantFrom([0x20, 0x01], [0x20, 0x02], [0x26, 0x20], [0x3f, 0xff]),
      randomOctets(14),
    )
    .map(([head, tail]) => [...head, ...tail]),
  fc
    .tuple(fc.constantFrom([0x20, 0x01, 0x0d, 0xb8], [0x20, 0x01, 1, 0xff]), randomOctets(12))
    .map(([head, tail]) => [...head, ...tail]),
)

test('an IPv6 address is public only when it is global unicast and not set apart', () => {
  fc.assert(
    fc.property(ipv6, (bytes) => {
      const address = hex(bytes).join(':')
      const expected = global6.check(address, 'ipv6') && !blocked.check(address, 'ipv6')
      expect(isPublicAddress(address)).toBe(expected)
    }),
    { numRuns: 3000 },
  )
})

test.each([
  '::',
  '::1',
  '0:0:0:0:0:0:0:1',
  '::7f00:1',
  '::127.0.0.1',
  'fc00::1',
  'fd00::1',
  'fe80::1',
  'fe80::1%eth0',
  'fec0::1',
  'ff02::1',
  '100::1',
  '64:ff9b:1::1',
  '64:ff9b::7f00:1',
  '2001::1',
  '2001:20::1',
  '2002:7f00:1::',
  '5f00::1',
  '::ffff:0:7f00:1',
])('%s is not public', (address) => {
  expect(isPublicAddress(address)).toBe(false)
})

test.each([
  '',
  'localhost',
  '2130706433',
  '0x7f.1',
  '0177.0.0.1',
  '1.2.3',
  '1.2.3.4.5',
  ' 8.8.8.8',
  '8.8.8.8 ',
  '2606:4700::1%1',
  '[2606:4700::1]',
  '8.8.8.8:53',
])('"%s" is no address', (text) => {
  expect(isPublicAddress(text)).toBe(false)
})

test.each([
  '8.8.8.8',
  '93.184.215.14',
  '172.32.0.1',
  '100.128.0.1',
  '2606:4700::1111',
  '64:ff9b::8.8.8.8',
])('%s is public', (address) => {
  expect(isPublicAddress(address)).toBe(true)
})
