/**
 * Streams that stay open after they were answered: each is over when the token it was asked for with is.
 * MCP Authorization, "Token Handling": it is for every message that a token has to be good.
 */
import type { Verifier } from '@behalf/verifier'
import type { AuthInfo } from './auth-info.js'
import type { DownstreamCaller } from './downstream.js'
import type { GuardedRequest } from './guarded-request.js'

/** What a face does with the answer to one request that stays open. */
export interface OpenStream {
  /** Does the caller of this stream get to see this event? */
  keeps: (event: string) => boolean
  /** @returns what to call when the stream has ended by itself */
  onOver: (end: () => void) => () => void
}

export interface Streams {
  /** `undefined` for a request whose answer has an end of its own. */
  follow: (request: GuardedRequest, authInfo: AuthInfo) => OpenStream | undefined
  close: () => void
}

export interface StreamsOptions {
  verify: Verifier['verify']
  /** Of the revocation list: what is revoked is known no sooner. */
  everySeconds: number
  keeps: (caller: DownstreamCaller, event: string) => boolean
}

/**
 * The stream of a session (2025-11-25, "Listening for Messages from the Server") and `subscriptions/listen`
 * (2026-07-28). A call that has begun is another thing: it is finished, and its answer was paid for.
 */
const staysOpen = ({ method, headers }: GuardedRequest): boolean =>
  method === 'GET'
    ? (headers.get('accept') ?? '').toLowerCase().includes('text/event-stream')
    : (headers.get('mcp-method') ?? '').toLowerCase().includes('subscriptions/listen')

/** A timer that keeps no process alive, where the platform can tell. */
const later = (work: () => void, ms: number): ReturnType<typeof setTimeout> => {
  const timer = setTimeout(work, ms)
  ;(timer as { unref?: () => void }).unref?.()
  return timer
}

/** One look at all of them now and then: a timer for each would be as many as there are clients. */
export const createStreams = ({ verify, everySeconds, keeps }: StreamsOptions): Streams => {
  const open = new Map<() => void, DownstreamCaller>()
  let timer: ReturnType<typeof setTimeout> | undefined
  let isClosed = false

  /** Like a request that comes now, it is refused too where nobody can say what was revoked. */
  const look = async ([end, caller]: [() => void, DownstreamCaller]): Promise<void> => {
    try {
      await verify(caller.token)
    } catch {
      if (open.delete(end)) end()
    }
  }
  const lookAtAll = async (): Promise<void> => {
    await Promise.all([...open].map(look))
    timer = undefined
    schedule()
  }
  const schedule = (): void => {
    if (isClosed || open.size === 0) return
    timer ??= later(lookAtAll, everySeconds * 1000)
  }
  const onOver =
    (caller: DownstreamCaller): OpenStream['onOver'] =>
    (end) => {
      open.set(end, caller)
      schedule()
      return () => {
        open.delete(end)
      }
    }
  return {
    follow: (request, { extra: { caller } }) =>
      staysOpen(request)
        ? { keeps: (event) => keeps(caller, event), onOver: onOver(caller) }
        : undefined,
    close: () => {
      isClosed = true
      clearTimeout(timer)
    },
  }
}
