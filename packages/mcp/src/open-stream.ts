/** An open stream in each of the two shapes that servers answer in: the Fetch standard, and Node. */
import { createEventFilter } from './event-filter.js'
import type { OpenStream } from './streams.js'

const isEventStream = (type: string | null | undefined): boolean =>
  type?.toLowerCase().startsWith('text/event-stream') ?? false

const limit = (
  body: ReadableStream<Uint8Array>,
  { keeps, onOver }: OpenStream,
): ReadableStream<Uint8Array> => {
  const reader = body.getReader()
  const encoder = new TextEncoder()
  const filter = createEventFilter(keeps)
  let isOver = false
  let forget: () => void = () => undefined
  return new ReadableStream<Uint8Array>({
    start: (controller) => {
      forget = onOver(() => {
        isOver = true
        controller.close()
        // The handler learns that nobody listens any more.
        reader.cancel().catch(() => undefined)
      })
    },
    pull: async (controller) => {
      for (;;) {
        const { done, value } = await reader.read()
        if (isOver) return
        const text = done ? filter.flush() : filter.push(value)
        if (text !== '') controller.enqueue(encoder.encode(text))
        if (done) {
          forget()
          controller.close()
        }
        if (done || text !== '') return
      }
    },
    cancel: (reason) => {
      isOver = true
      forget()
      return reader.cancel(reason)
    },
  })
}

/** The same answer, which ends with the token if it is a stream of events. */
export const limitAnswer = (answer: Response, stream: OpenStream | undefined): Response => {
  if (!stream || !answer.body || !isEventStream(answer.headers.get('content-type'))) return answer
  return new Response(limit(answer.body, stream), answer)
}

/** What is used of Node's response. Some that stand in its place have less. */
export interface NodeStream {
  readonly writableEnded?: boolean | undefined
  getHeader?: ((name: string) => unknown) | undefined
  write?: ((...args: never[]) => unknown) | undefined
  end: (...args: never[]) => unknown
  destroy?: (() => unknown) | undefined
  once?: ((event: 'close', listener: () => void) => unknown) | undefined
}

const isChunk = (value: unknown): value is Uint8Array | string =>
  typeof value === 'string' || value instanceof Uint8Array

/**
 * What a middleware has compressed has no events in it that could be read, and an answer of another type
 * may be no text at all. A type that was written with the status shows nowhere.
 */
const isOther = (response: NodeStream): boolean => {
  const type = response.getHeader?.('content-type')
  const isOfOtherType = type !== undefined && !isEventStream(String(type))
  return isOfOtherType || Boolean(response.getHeader?.('content-encoding'))
}

type Write = (...args: unknown[]) => unknown

const isWrite = (value: unknown): value is Write => typeof value === 'function'

/** Between whoever writes the stream and the wire. */
const filterWrites = (response: NodeStream, keeps: OpenStream['keeps']): void => {
  const filter = createEventFilter(keeps)
  const write: unknown = Reflect.get(response, 'write')
  const end: unknown = Reflect.get(response, 'end')
  if (!isWrite(write) || !isWrite(end)) return
  const replace = (name: 'write' | 'end', value: Write): void => {
    Object.defineProperty(response, name, { value, configurable: true, writable: true })
  }
  replace('write', (chunk, ...rest) => {
    if (!isChunk(chunk) || isOther(response))
      return Reflect.apply(write, response, [chunk, ...rest])
    // An empty piece still calls back, and says when there is room for more.
    return Reflect.apply(write, response, [filter.push(chunk), ...rest.filter(isWrite)])
  })
  replace('end', (...args) => {
    const [chunk, ...rest] = args
    if (isOther(response)) return Reflect.apply(end, response, args)
    const left = `${isChunk(chunk) ? filter.push(chunk) : ''}${filter.flush()}`
    const done = isChunk(chunk) ? rest : args
    return Reflect.apply(end, response, [...(left === '' ? [] : [left]), ...done.filter(isWrite)])
  })
}

/** The same for what is written to Node's response, by whatever comes after the guard. */
export const limitNode = (response: NodeStream, stream: OpenStream | undefined): void => {
  if (!stream) return
  filterWrites(response, stream.keeps)
  const forget = stream.onOver(() => {
    if (response.writableEnded) return
    response.end()
    // As when the client goes: what is written after that is nobody's error.
    response.destroy?.()
  })
  response.once?.('close', forget)
}
