/** Is the process alive, and can it serve? */
import { OAuthError } from '@behalf/protocol'
import type { Handler } from 'hono'
import type { Deps } from '../deps.js'

export const liveEndpoint: Handler = function liveEndpoint(c) {
  return c.json({ status: 'ok' })
}

export const readyEndpoint = ({ store }: Deps): Handler =>
  async function readyEndpoint(c) {
    await store.ping().catch((cause: unknown) => {
      throw new OAuthError('temporarily_unavailable', {
        description: 'The database does not answer.',
        reason: 'database_away',
        headers: { 'Retry-After': '2' },
        cause,
      })
    })
    return c.json({ status: 'ok' })
  }
