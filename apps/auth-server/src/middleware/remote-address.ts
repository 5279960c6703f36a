/** Where a request comes from, as far as that can be known without believing the request. */
import { isIP } from 'node:net'
import type { Context } from 'hono'
import type { PeopleConfig } from '../people/people-config.js'

interface NodeBindings {
  incoming?: { socket?: { remoteAddress?: string } }
}

/** Who has one IPv6 address has 2^64 of them: they count as one (RFC 4291 §2.5.4). */
export const networkOf = (address: string): string => {
  if (!address.includes(':') || address.includes('.')) return address.replace(/^::ffff:/i, '')
  const [head = '', tail] = address.split('::')
  const before = head === '' ? [] : head.split(':')
  const after = tail ? tail.split(':') : []
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - before.length - after.length)
  const groups = [...before, ...Array<string>(zeros).fill('0'), ...after]
  return `${groups.slice(0, 4).join(':')}::/64`
}

const peerOf = (c: Context): string | undefined => {
  const { incoming } = (c.env ?? {}) as NodeBindings
  return incoming?.socket?.remoteAddress
}

const isLoopback = (address: string): boolean => /^(::ffff:)?127\.|^::1$/.test(address)

type Proxy = Pick<PeopleConfig, 'address_header'>

/** Undefined where it says nothing: a proxy on this host stands in front of everybody. */
export const knownAddress = (c: Context, { address_header: header }: Proxy): string | undefined => {
  if (header !== undefined) {
    // A proxy appends; what stands before, the caller may have written.
    const last = c.req.header(header)?.split(',').at(-1)?.trim() ?? ''
    return isIP(last) > 0 ? networkOf(last) : undefined
  }
  const address = peerOf(c)
  return address === undefined || isLoopback(address) ? undefined : networkOf(address)
}

/** Where nothing else is known the peer of the connection; of many behind one proxy it is the proxy. */
export const remoteAddress = (c: Context, proxy: Proxy): string =>
  knownAddress(c, proxy) ?? networkOf(peerOf(c) ?? 'unknown')
