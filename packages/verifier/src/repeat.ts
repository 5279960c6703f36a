/** Work in the background, again and again. */

export interface Repeat {
  /** Starts the waiting; more calls change nothing. */
  start: () => void
  stop: () => void
}

/** A timer that keeps no process alive, where the platform can tell. */
export const repeat = (work: () => Promise<void>, everyMs: number): Repeat => {
  let timer: ReturnType<typeof setTimeout> | undefined
  let closed = false
  const schedule = (): void => {
    if (closed) return
    timer = setTimeout(() => work().then(schedule), everyMs)
    ;(timer as { unref?: () => void }).unref?.()
  }
  return {
    start: (): void => {
      if (timer === undefined) schedule()
    },
    stop: (): void => {
      closed = true
      clearTimeout(timer)
    },
  }
}
