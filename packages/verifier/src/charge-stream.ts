/** A body that is paid for as it is read: charged at its end, and given back when nobody reads it. */
import type { CheckedCharge, Meter } from './charge-options.js'
import type { Hold } from './holds.js'
import { why } from './http.js'
import { remainingHeader } from './receipt.js'
import type { Settings } from './settings.js'

/** What a charge may return when it is paid for as it is read. */
export type Streamed = Response | ReadableStream

interface StreamEnd {
  /** It was read to its end. */
  ended: () => Promise<void>
  /** It failed, or its reader has gone. */
  stopped: () => Promise<void>
  /** Nobody read on for so long that nobody may come any more. */
  stalled: () => Promise<void>
}

interface StreamOptions {
  end: StreamEnd
  signal: AbortSignal | undefined
  stallMs: number
}

/** A timer that keeps no process alive, where the platform can tell. */
const createAlarm = (ring: () => void, ms: number) => {
  let timer: ReturnType<typeof setTimeout> | undefined
  const stop = (): void => clearTimeout(timer)
  const start = (): void => {
    stop()
    timer = setTimeout(ring, ms)
    ;(timer as { unref?: () => void }).unref?.()
  }
  return { start, stop }
}

/** Each chunk is asked for when the reader asks, so a slow reader holds up the source and no memory. */
const meteredStream = <Chunk>(
  source: ReadableStream<Chunk>,
  { end, signal, stallMs }: StreamOptions,
): ReadableStream<Chunk> => {
  const reader = source.getReader()
  const alarm = createAlarm(() => finish('stalled'), stallMs)
  let finished: Promise<void> | undefined
  let isAborted = false
  let abort = (): void => undefined

  /** Once, whatever comes first; everybody waits for the same. */
  const finish = (how: keyof StreamEnd): Promise<void> => {
    alarm.stop()
    if (how !== 'stalled') signal?.removeEventListener('abort', abort)
    finished ??= end[how]()
    return finished
  }
  const pull = async (controller: ReadableStreamDefaultController<Chunk>): Promise<void> => {
    alarm.stop()
    try {
      const { done, value } = await reader.read()
      if (isAborted) return
      if (!done) {
        controller.enqueue(value)
        if (!finished) alarm.start()
        return
      }
      await finish('ended')
      controller.close()
    } catch (error) {
      await finish('stopped')
      if (!isAborted) throw error
    }
  }
  const cancel = async (reason: unknown): Promise<void> => {
    await Promise.all([finish('stopped'), reader.cancel(reason)])
  }
  const start = (controller: ReadableStreamDefaultController<Chunk>): void => {
    abort = () => {
      isAborted = true
      controller.error(signal?.reason)
      cancel(signal?.reason).catch(() => undefined)
    }
    if (signal?.aborted) abort()
    else signal?.addEventListener('abort', abort)
    if (!isAborted) alarm.start()
  }
  return new ReadableStream<Chunk>({ start, pull, cancel }, { highWaterMark: 0 })
}

/** The same response with another body. Not every status may have one. */
const withBody = (
  response: Response,
  body: ReadableStream<Uint8Array<ArrayBuffer>> | null,
  headers: Readonly<Record<string, string>>,
): Response => {
  const { status, statusText } = response
  const all = new Headers(response.headers)
  for (const [name, value] of Object.entries(headers)) all.set(name, value)
  return new Response(body, { status, statusText, headers: all })
}

interface Running<T> {
  result: T
  charge: CheckedCharge<T>
  hold: Hold
  meter: Meter<T>
  settings: Pick<Settings, 'logger'>
}

/** How its charge ends. Nobody is there any more to throw at. */
const streamEnd = <T>({ result, charge, hold, meter, settings }: Running<T>): StreamEnd => {
  const total = (): bigint => {
    try {
      return meter.total(result)
    } catch (error) {
      settings.logger.error('The cost of a stream could not be told: all of it counts.', why(error))
      return meter.said() ?? charge.cost
    }
  }
  const end = async (actual: bigint | undefined): Promise<void> => {
    await hold.end(actual)
  }
  return {
    ended: () => end(total()),
    stopped: () => end(meter.said()),
    stalled: () => end(meter.said() ?? charge.cost),
  }
}

// Not by `instanceof`: a response may come from another fetch than the platform's.
const isStream = (value: unknown): value is ReadableStream =>
  typeof (value as ReadableStream | undefined)?.getReader === 'function'

const isResponse = (value: unknown): value is Response =>
  typeof (value as Response | undefined)?.headers?.get === 'function'

/** @throws TypeError for anything but a stream, and for one that somebody else reads */
export const meterStreamed = async <T extends Streamed>(running: Running<T>): Promise<T> => {
  const { result, charge, hold } = running
  const end = streamEnd(running)
  const options = { end, signal: charge.signal, stallMs: charge.ttlSeconds * 1000 }
  if (isStream(result)) return meteredStream(result, options) as T
  if (!isResponse(result)) {
    throw new TypeError('chargeStream: what is charged must return a Response or a ReadableStream.')
  }
  // What it costs is not known before the headers go.
  const remaining = hold.remaining()
  const headers: Record<string, string> =
    remaining === undefined ? {} : { 'Agent-Budget': remainingHeader(remaining) }
  if (result.body) return withBody(result, meteredStream(result.body, options), headers) as T
  const response = withBody(result, null, headers)
  await end.ended()
  return response as T
}
