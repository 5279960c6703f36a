/** How a limit is told on the wire: RFC 6585 §4, and draft-ietf-httpapi-ratelimit-headers. Pure. */

export interface RateLimit {
  /** Of the policy, such as `token-per-client`. */
  name: string
  limit: number
  windowSeconds: number
}

/** The fields of a refusal: nothing is left for so many seconds. */
export const rateLimitFields = (
  { name, limit, windowSeconds }: RateLimit,
  waitSeconds: number,
): Record<string, string> => ({
  'Retry-After': String(waitSeconds),
  'RateLimit-Policy': `"${name}";q=${limit};w=${windowSeconds}`,
  RateLimit: `"${name}";r=0;t=${waitSeconds}`,
})
