/** So many requests a minute from one address: for what anybody may ask for, and what is then kept. */
import type { Context, MiddlewareHandler } from 'hono'
import type { Deps } from '../deps.js'
import type { AddressEndpoint } from '../rate-limits/rate-limits-config.js'
import { countOrRefuse } from '../rate-limits/too-many.js'
import type { Env } from './env.js'

const fromOne = {
  description: 'Too many requests from this address.',
  reason: 'too_many_requests',
}

const fromNowhere = {
  description: 'Too many requests.',
  reason: 'too_many_requests_without_address',
  hint: 'Behind a proxy, the operator can set people.address_header.',
}

/** @param addressOf those for whom it is `undefined` share one count, which is wide */
export const limitAddresses = (
  { rateLimits: { config, open } }: Deps,
  endpoint: AddressEndpoint,
  addressOf: (c: Context) => string | undefined,
): MiddlewareHandler<Env> => {
  const { [endpoint]: perAddress, without_address: inAll } = config.address_requests_per_minute
  const each = open(`${endpoint}-per-address`, perAddress)
  const unknown = open(`${endpoint}-without-address`, inAll)
  return async function limitAddresses(c, next) {
    const address = addressOf(c)
    if (address === undefined) await countOrRefuse(unknown, 'all', fromNowhere)
    else await countOrRefuse(each, address, fromOne)
    return next()
  }
}
