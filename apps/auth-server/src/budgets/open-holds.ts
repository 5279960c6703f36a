/** How much a client may have open at once: a loop that reserves and never settles must end. */
import { OAuthError } from '@behalf/protocol'
import type { Store } from '../store/store.js'

/** Reservations and leases that have not ended. */
export const maxOpenHolds = 50_000

/** For so long a count is believed, with what was let in since added. */
const freshMs = 1000
const maxClients = 10_000

export interface OpenHolds {
  /** `rate_limited` when this client has too much open. */
  refusal: (clientId: string) => Promise<OAuthError | undefined>
}

const tooMany = (): OAuthError =>
  new OAuthError('rate_limited', {
    description: 'This client has too many open reservations and leases.',
    reason: 'too_many_open_holds',
    hint: 'Settle or release what is reserved, and close leases that are not used.',
    headers: { 'Retry-After': '10' },
  })

interface Count {
  open: Promise<number>
  since: number
  at: number
}

/** Counted in the database once a second for each client, and not for every request. */
export const createOpenHolds = (
  budgets: Pick<Store['budgets'], 'openHolds'>,
  now: () => Date,
  limit = maxOpenHolds,
): OpenHolds => {
  const counts = new Map<string, Count>()
  const countOf = (clientId: string): Count => {
    const at = now().getTime()
    const known = counts.get(clientId)
    if (known && Math.abs(at - known.at) < freshMs) return known
    if (counts.size >= maxClients) counts.clear()
    const count = { open: budgets.openHolds(clientId, limit), since: 0, at }
    // A database that is away is said by the request itself, and asked again by the next one.
    count.open.catch(() => counts.delete(clientId))
    counts.set(clientId, count)
    return count
  }
  return {
    refusal: async (clientId) => {
      const count = countOf(clientId)
      count.since += 1
      // Those that ask while this one waits come after it.
      const { since } = count
      return (await count.open) + since > limit ? tooMany() : undefined
    },
  }
}
