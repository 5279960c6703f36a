/** Requests as nobody's client library would send them, each bounded in time and size. */

import type { IncomingMessage } from 'node:http'
import { request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'

export interface Outgoing {
  url: string
  method: string
  /** A list is sent as that many header lines. */
  headers: Readonly<Record<string, string | readonly string[]>>
  body?: string | undefined
  /** Leaves the body unread: a stream may have no end. */
  headersOnly?: boolean | undefined
}

export interface Answer {
  /** 0 when there was no answer at all: then `text` says why. */
  status: number
  header: (name: string) => string | undefined
  text: string
}

export type Send = (outgoing: Outgoing) => Promise<Answer>

const maxBytes = 262_144

const noAnswer = (why: string): Answer => ({ status: 0, header: () => undefined, text: why })

/** `fetch` puts what the socket said below what it says itself. */
const why = (error: unknown): string => {
  if (!(error instanceof Error)) return 'unknown'
  const { code } = { ...Object(error), ...Object(error.cause) }
  return typeof code === 'string' ? code : error.name
}

const isResponse = (line: string): boolean =>
  line.startsWith('data:') &&
  line.trimEnd().endsWith('}') &&
  (line.includes('"result"') || line.includes('"error"'))

/**
 * A JSON-RPC response is in: what else a stream may bring is of no interest. Each line is read once: an
 * expression that tries all ways to read it takes seconds for what a server can make up.
 */
const isAnswered = (text: string): boolean =>
  /\n\r?\n/.test(text) && text.split('\n').some(isResponse)

const isStream = (type: string | undefined | null): boolean =>
  type?.startsWith('text/event-stream') === true

/** Reads to the end, to the first answer of a stream, to the bound, or until there is no more time. */
const readText = async (
  chunks: AsyncIterable<Uint8Array>,
  isEnough: (text: string) => boolean,
): Promise<string> => {
  const decoder = new TextDecoder()
  let text = ''
  try {
    for await (const chunk of chunks) {
      text += decoder.decode(chunk, { stream: true })
      if (text.length > maxBytes || isEnough(text)) break
    }
  } catch {
    // Cut off: what has come so far was still said.
  }
  return text
}

/** Not every platform's streams can be iterated, and their types cannot. */
async function* chunksOf(body: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = body.getReader()
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) yield part.value
  } finally {
    await reader.cancel().catch(() => undefined)
  }
}

const readMessage = async (message: IncomingMessage, headersOnly: boolean): Promise<Answer> => {
  const { statusCode = 0, headers } = message
  const streams = isStream(headers['content-type'])
  const text = headersOnly ? '' : await readText(message, (so) => streams && isAnswered(so))
  message.destroy()
  return {
    status: statusCode,
    header: (name) => {
      const value = headers[name]
      return Array.isArray(value) ? value.join(', ') : value
    },
    text,
  }
}

/** `fetch` joins header lines, and writes `Host` itself: this does neither. Follows no redirect. */
export const createSocketSend =
  (timeoutMs: number): Send =>
  ({ url, method, headers, body, headersOnly = false }) =>
    new Promise((resolve) => {
      const signal = AbortSignal.timeout(timeoutMs)
      const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) }
      const request = (url.startsWith('https:') ? requestHttps : requestHttp)(url, {
        method,
        headers: Object.fromEntries(
          Object.entries({ ...headers, ...length }).map(([name, value]) => [
            name,
            typeof value === 'string' ? value : [...value],
          ]),
        ),
        signal,
        agent: false,
      })
      request.on('error', (error) => resolve(noAnswer(why(error))))
      request.on('response', (message) => resolve(readMessage(message, headersOnly)))
      request.end(body)
    })

const toHeaders = (headers: Outgoing['headers']): Headers => {
  const all = new Headers()
  for (const [name, value] of Object.entries(headers)) {
    for (const one of [value].flat()) all.append(name, one)
  }
  return all
}

/** For a server in the same process, or behind a `fetch` that knows the way. */
export const createFetchSend =
  (
    fetch: (url: string, init: RequestInit) => Promise<Response> | Response,
    timeoutMs: number,
  ): Send =>
  async ({ url, method, headers, body, headersOnly = false }) => {
    const signal = AbortSignal.timeout(timeoutMs)
    const init = { method, headers: toHeaders(headers), redirect: 'manual' as const, signal }
    try {
      const response = await fetch(url, body === undefined ? init : { ...init, body })
      const streams = isStream(response.headers.get('content-type'))
      const text =
        headersOnly || !response.body
          ? ''
          : await readText(chunksOf(response.body), (so) => streams && isAnswered(so))
      if (headersOnly) await response.body?.cancel()
      const header = (name: string) => response.headers.get(name) ?? undefined
      return { status: response.status, header, text }
    } catch (error) {
      return noAnswer(why(error))
    }
  }

/** The JSON object of an answer, if that is what it is. */
export const readObject = (text: string): Record<string, unknown> | undefined => {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? { ...value }
      : undefined
  } catch {
    return undefined
  }
}
