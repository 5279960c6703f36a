/** Something fetched again when it is old: one flight at a time, and a pause after a failure. */

export interface Refresher {
  /** Joins the flight under way, or starts one. Never rejects: look at `error`. */
  refresh: () => Promise<void>
  /** What the last attempt failed with; `undefined` when it succeeded or there was none. */
  error: () => unknown
  /** Seconds since the last attempt began; Infinity before the first. */
  sinceAttempt: () => number
  /** Seconds until `refresh` makes sense; 0 when now, or when a flight can be joined. */
  pause: () => number
}

/** After a failure nobody asks again for so long, however many requests come in. */
const retrySeconds = 1

export interface RefresherOptions {
  now: () => number
  load: () => Promise<void>
  /** Called for the first failure in a row, so that an outage is one line of log. */
  onFailure: (error: unknown) => void
}

export const createRefresher = ({ now, load, onFailure }: RefresherOptions): Refresher => {
  let flight: Promise<void> | undefined
  let attemptedAt = Number.NEGATIVE_INFINITY
  let failure: { error: unknown } | undefined

  const attempt = async (): Promise<void> => {
    attemptedAt = now()
    try {
      await load()
      failure = undefined
    } catch (error) {
      if (!failure) onFailure(error)
      failure = { error }
    } finally {
      flight = undefined
    }
  }
  // A clock that was set back must not stretch the pause.
  const since = (): number => {
    const seconds = now() - attemptedAt
    return seconds < 0 ? Number.POSITIVE_INFINITY : seconds
  }
  return {
    refresh: () => {
      flight ??= attempt()
      return flight
    },
    error: () => failure?.error,
    sinceAttempt: since,
    pause: () => (failure && !flight ? Math.max(0, retrySeconds - since()) : 0),
  }
}
