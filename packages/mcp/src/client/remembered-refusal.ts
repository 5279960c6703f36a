/** What the authorization server has just refused is not asked again at once, however many want it. */

export interface RememberedRefusal {
  /** @throws what was remembered, as long as it counts */
  check(): void
  remember(error: unknown): void
  forget(): void
}

/** Long enough for a burst of requests, and short enough for a person who mends it. */
export const rememberSeconds = 5

/** @param now milliseconds since 1970 */
export const createRememberedRefusal = (now: () => number): RememberedRefusal => {
  let refusal: { error: unknown; until: number } | undefined
  return {
    check: () => {
      if (refusal && now() < refusal.until) throw refusal.error
      refusal = undefined
    },
    remember: (error) => {
      refusal = { error, until: now() + rememberSeconds * 1000 }
    },
    forget: () => {
      refusal = undefined
    },
  }
}
