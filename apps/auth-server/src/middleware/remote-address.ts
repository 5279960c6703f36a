/** Where a request comes from, as far as that can be known without believing the request. */
import type { Context } from 'hono'

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

/** The peer of the connection; of many behind one proxy it is the proxy. */
export const remoteAddress = (c: Context): string => {
  const { incoming } = (c.env ?? {}) as NodeBindings
  return networkOf(incoming?.socket?.remoteAddress ?? 'unknown')
}
