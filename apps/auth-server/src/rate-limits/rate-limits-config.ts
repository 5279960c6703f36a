/** The section `rate_limits` of the configuration: how much is too much, in a minute. */
import { z } from 'zod'

const perMinute = z.int().min(1).max(1_000_000_000)

/** What one client may ask for once it has proved who it is: 10,000 tokens a second. */
const clientRequests = z.strictObject({
  token: perMinute.default(600_000),
  introspect: perMinute.default(600_000),
  /** Every verifier keeps every revocation for as long as a token lives. */
  revoke: perMinute.default(600),
  par: perMinute.default(6_000),
  device_authorization: perMinute.default(6_000),
})

/** What one address may ask for, whoever is there. A request is kept until somebody comes for it. */
const addressRequests = z.strictObject({
  authorize: perMinute.default(300),
  par: perMinute.default(1_200),
  device_authorization: perMinute.default(120),
  /** All together whose address is not known, such as behind a proxy on this host. */
  without_address: perMinute.default(3_000),
})

/** Wrong secrets, for one client from one address, and from one address for whatever client. */
const failedAuthentications = z.strictObject({
  client_and_address: perMinute.default(60),
  address: perMinute.default(600),
})

export const rateLimitsConfig = z.strictObject({
  client_requests_per_minute: clientRequests.prefault({}),
  address_requests_per_minute: addressRequests.prefault({}),
  failed_authentications_per_minute: failedAuthentications.prefault({}),
})

export type RateLimitsConfig = z.output<typeof rateLimitsConfig>

export type ClientEndpoint = keyof RateLimitsConfig['client_requests_per_minute']
export type AddressEndpoint = Exclude<
  keyof RateLimitsConfig['address_requests_per_minute'],
  'without_address'
>
