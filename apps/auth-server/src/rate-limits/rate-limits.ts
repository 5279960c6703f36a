/** All that is counted, as the rest of the server knows it. */
import type { OpenCounter } from './counters.js'
import {
  createFailedAuthentications,
  type FailedAuthentications,
} from './failed-authentications.js'
import type { RateLimitsConfig } from './rate-limits-config.js'

export interface RateLimits {
  config: RateLimitsConfig
  open: OpenCounter
  failedAuthentications: FailedAuthentications
}

export const createRateLimits = (open: OpenCounter, config: RateLimitsConfig): RateLimits => ({
  config,
  open,
  failedAuthentications: createFailedAuthentications(
    open,
    config.failed_authentications_per_minute,
  ),
})
