/** Public keys. RFC 7517 §5. */
import type { Handler } from 'hono'
import type { Deps } from '../deps.js'
import { jwksMaxAgeSeconds } from '../key-timeline.js'

export const jwksEndpoint = ({ keys }: Deps): Handler =>
  function jwksEndpoint(c) {
    return c.json(keys.jwks(), 200, {
      'Content-Type': 'application/jwk-set+json',
      'Cache-Control': `public, max-age=${jwksMaxAgeSeconds}`,
    })
  }
