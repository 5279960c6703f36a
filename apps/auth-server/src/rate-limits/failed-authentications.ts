/**
 * Wrong secrets are counted by client and address together: who floods a client with them keeps nobody
 * else out. Where the address is not known that cannot be told apart, so there a right secret always
 * passes, and only the wrong ones are sent away.
 */
import { createHash } from 'node:crypto'
import type { OAuthError } from '@behalf/protocol'
import type { Counter, OpenCounter } from './counters.js'
import type { RateLimitsConfig } from './rate-limits-config.js'
import { tooMany } from './too-many.js'

export interface Attempt {
  clientId: string
  /** Asked for when it is needed: most attempts are good ones. */
  addressOf: () => string | undefined
}

export interface FailedAuthentications {
  /** Before any secret is looked at. @throws OAuthError 429 */
  check: (attempt: Attempt) => void
  /** After a wrong one. @returns what to refuse it with, when it is one too many */
  count: (attempt: Attempt) => Promise<OAuthError | undefined>
}

interface Blocked {
  counter: Counter
  until: number
}

const maxBlocked = 10_000

const words = {
  description: 'Too many failed authentications.',
  reason: 'too_many_failed_authentications',
  hint: 'Check the secret of the client, and try again when Retry-After says so.',
}

/** Of one length, whatever somebody calls a client. */
const hash = (text: string): string => createHash('sha256').update(text).digest('base64url')

/** Who has had enough, until their minute is over. The oldest are forgotten first. */
const createBlocks = () => {
  const blocked = new Map<string, Blocked>()
  return {
    isEmpty: (): boolean => blocked.size === 0,
    find: (name: string): OAuthError | undefined => {
      const found = blocked.get(name)
      if (!found) return undefined
      const seconds = Math.ceil((found.until - Date.now()) / 1000)
      if (seconds > 0) return tooMany(found.counter.policy, seconds, words)
      blocked.delete(name)
      return undefined
    },
    add: (name: string, counter: Counter, seconds: number): void => {
      blocked.delete(name)
      blocked.set(name, { counter, until: Date.now() + seconds * 1000 })
      const oldest = blocked.keys().next().value
      if (blocked.size > maxBlocked && oldest !== undefined) blocked.delete(oldest)
    },
  }
}

export const createFailedAuthentications = (
  open: OpenCounter,
  limits: RateLimitsConfig['failed_authentications_per_minute'],
): FailedAuthentications => {
  const pairs = open('failed-authentications', limits.client_and_address)
  const addresses = open('failed-authentications-per-address', limits.address)
  const blocks = createBlocks()
  const namesOf = (clientId: string, address: string | undefined): [Counter, string][] => [
    // First: whoever has used it up makes no more names by calling on ever new clients.
    [addresses, hash(`${address}`)],
    [pairs, hash(`${address} ${clientId}`)],
  ]
  return {
    check: ({ clientId, addressOf }) => {
      if (blocks.isEmpty()) return
      for (const [, name] of namesOf(clientId, addressOf())) {
        const refusal = blocks.find(name)
        if (refusal) throw refusal
      }
    },
    count: async ({ clientId, addressOf }) => {
      const address = addressOf()
      for (const [counter, name] of namesOf(clientId, address)) {
        const wait = await counter.count(name)
        if (wait === undefined) continue
        // Who cannot be told apart is not kept out.
        if (address !== undefined) blocks.add(name, counter, wait)
        return tooMany(counter.policy, wait, words)
      }
      return undefined
    },
  }
}
