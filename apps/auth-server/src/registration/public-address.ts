/**
 * Which addresses are somewhere on the public Internet. A server that fetches what strangers name must
 * not become their way into the network that it stands in.
 */
import { isIPv4, isIPv6 } from 'node:net'

type Range = readonly [network: bigint, bits: number]

const ipv4Bits = 32
const ipv6Bits = 128

const ipv4Number = (text: string): bigint =>
  text.split('.').reduce((sum, octet) => (sum << 8n) | BigInt(octet), 0n)

/** `::ffff:1.2.3.4` and the like: the last 32 bits, written as IPv4 is. RFC 4291 §2.2. */
const withoutDots = (text: string): string => {
  const colon = text.lastIndexOf(':')
  const tail = text.slice(colon + 1)
  if (!tail.includes('.')) return text
  const number = ipv4Number(tail)
  return `${text.slice(0, colon + 1)}${(number >> 16n).toString(16)}:${(number & 0xffffn).toString(16)}`
}

const groupsOf = (text: string): string[] => (text === '' ? [] : text.split(':'))

const ipv6Number = (text: string): bigint => {
  const [head = '', tail] = withoutDots(text).split('::')
  const before = groupsOf(head)
  const after = groupsOf(tail ?? '')
  const zeros = Array<string>(8 - before.length - after.length).fill('0')
  return [...before, ...zeros, ...after].reduce(
    (sum, group) => (sum << 16n) | BigInt(`0x${group}`),
    0n,
  )
}

const ipv4Range = (range: string): Range => {
  const [network = '', bits] = range.split('/')
  return [ipv4Number(network), Number(bits)]
}

const ipv6Range = (range: string): Range => {
  const [network = '', bits] = range.split('/')
  return [ipv6Number(network), Number(bits)]
}

/** IANA IPv4 Special-Purpose Address Registry (RFC 6890), multicast and reserved space. */
const specialIpv4 = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.31.196.0/24',
  '192.52.193.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '192.175.48.0/24',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
].map(ipv4Range)

/** All that is global unicast lies in here. RFC 4291 §2.4. */
const globalUnicast = ipv6Range('2000::/3')

/** Of that, what the IANA IPv6 Special-Purpose Address Registry sets apart. */
const specialIpv6 = [
  '2001::/23',
  '2001:db8::/32',
  // 6to4 holds an IPv4 address that nobody has checked. RFC 7526.
  '2002::/16',
  '2620:4f:8000::/48',
  '3fff::/20',
].map(ipv6Range)

/** IPv6 spellings of IPv4: mapped (RFC 4291 §2.5.5.2) and NAT64 (RFC 6052 §2.1). */
const embedsIpv4 = ['::ffff:0:0/96', '64:ff9b::/96'].map(ipv6Range)

const isIn = (address: bigint, [network, bits]: Range, width: number): boolean => {
  const host = BigInt(width - bits)
  return address >> host === network >> host
}

const isPublicIpv4 = (address: bigint): boolean =>
  !specialIpv4.some((range) => isIn(address, range, ipv4Bits))

const isPublicIpv6 = (address: bigint): boolean => {
  const within = (range: Range): boolean => isIn(address, range, ipv6Bits)
  if (embedsIpv4.some(within)) return isPublicIpv4(address & 0xffff_ffffn)
  return within(globalUnicast) && !specialIpv6.some(within)
}

/** False for special-use addresses in any spelling, and for what is no address. */
export const isPublicAddress = (text: string): boolean => {
  if (isIPv4(text)) return isPublicIpv4(ipv4Number(text))
  // An address with a zone (`fe80::1%eth0`) is of one link only. RFC 4007 §11.
  return isIPv6(text) && !text.includes('%') && isPublicIpv6(ipv6Number(text))
}
