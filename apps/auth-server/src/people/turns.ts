/**
 * A bounded queue for what is slow on purpose. A password hash takes a core for a quarter of a second:
 * a flood of sign-ins must neither take all of them nor pile up, since tokens need them too.
 */
import { OAuthError } from '@behalf/protocol'

export interface TurnsOptions {
  /** How many work at once. */
  atOnce: number
  /** How many may wait for them. */
  waiting: number
}

export type Turns = <T>(work: () => Promise<T>) => Promise<T>

const busy = (): OAuthError =>
  new OAuthError('temporarily_unavailable', {
    description: 'Too many people sign in at this moment. Try again in a few seconds.',
    reason: 'sign_in_busy',
    headers: { 'Retry-After': '3' },
  })

/** First come, first served; who finds the queue full is sent away at once. */
export const createTurns = ({ atOnce, waiting }: TurnsOptions): Turns => {
  const queue: (() => void)[] = []
  let working = 0
  const enter = async (): Promise<void> => {
    if (working < atOnce) {
      working += 1
      return
    }
    if (queue.length >= waiting) throw busy()
    // Whoever leaves hands its place over, so `working` stays as it is.
    await new Promise<void>((resolve) => queue.push(resolve))
  }
  const leave = (): void => {
    const next = queue.shift()
    if (next) next()
    else working -= 1
  }
  return async (work) => {
    await enter()
    try {
      return await work()
    } finally {
      leave()
    }
  }
}
