/** How long tokens live, as the configuration says. */
import type { Config } from './config.js'
import type { Lifetimes } from './deps.js'

const day = 24 * 3600

/** Tokens live for minutes. A person is asked again after a month without use, a season at most. */
export const lifetimesOf = ({
  access_tokens: access = {},
  refresh_tokens: refresh = {},
}: Pick<Config, 'access_tokens' | 'refresh_tokens'>): Lifetimes => ({
  ownToken: access.own_seconds ?? 900,
  delegatedToken: access.delegated_seconds ?? 300,
  refreshIdle: refresh.idle_seconds ?? 30 * day,
  refreshAbsolute: refresh.absolute_seconds ?? 90 * day,
  refreshGrace: refresh.grace_seconds ?? 0.2,
})

/** The longest of any token that is signed, the ID token too. */
export const longestToken = ({ ownToken, delegatedToken }: Lifetimes): number =>
  Math.max(ownToken, delegatedToken)
