/** Where a request comes from, as far as that can be known without believing the request. */
import { isIP } from 'node:net'
import type { Context } from 'hono'
import type { Deps } from '../deps.js'

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

const isLoopback = (address: string): boolean => /^(::ffff:)?127\.|^::1$/.test(address)

/** What the proxy in front has written. It appends; what stands before, the caller may have written. */
const fromHeader = (text: string | undefined): string | undefined => {
  const last = text?.split(',').at(-1)?.trim() ?? ''
  return isIP(last) > 0 ? last : undefined
}

/** Undefined where it says nothing: a proxy on this host stands in front of everybody. */
export const remoteAddress = (c: Context, { signIn }: Pick<Deps, 'signIn'>): string | undefined => {
  const { address_header: header } = signIn.config
  const { incoming } = (c.env ?? {}) as NodeBindings
  const address =
    header === undefined ? incoming?.socket?.remoteAddress : fromHeader(c.req.header(header))
  return address === undefined || isLoopback(address) ? undefined : networkOf(address)
}
