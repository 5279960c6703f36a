/** Leaves events out of a text/event-stream. HTML Living Standard, "Server-sent events". */

export interface EventFilter {
  /** What may go on of this piece, and of what was kept of those before. */
  push: (chunk: Uint8Array | string) => string
  /** What is left when the stream ends. */
  flush: () => string
}

/** More than any notification of a change. A longer event is an answer, and goes through as it comes. */
const maxLength = 65_536

const boundary = /\r\n\r\n|\n\n|\r\r/

/** An event of the stream, as the text of its `data`. */
const dataOf = (event: string): string =>
  event
    .split(/\r\n|\n|\r/)
    .filter((line) => line.startsWith('data:'))
    .map((line) => line.slice(5))
    .join('\n')

export const createEventFilter = (keeps: (event: string) => boolean): EventFilter => {
  const decoder = new TextDecoder()
  let rest = ''
  /** In the middle of an event that is too long to be one of those. */
  let isLong = false
  const take = (): string => {
    let kept = ''
    for (let found = boundary.exec(rest); found; found = boundary.exec(rest)) {
      const event = rest.slice(0, found.index + found[0].length)
      if (isLong || keeps(dataOf(event))) kept += event
      rest = rest.slice(event.length)
      isLong = false
    }
    if (rest.length <= maxLength) return kept
    // But for its end, which may be one half of what separates two.
    kept += rest.slice(0, -3)
    rest = rest.slice(-3)
    isLong = true
    return kept
  }
  return {
    push: (chunk) => {
      rest += typeof chunk === 'string' ? chunk : decoder.decode(chunk, { stream: true })
      return take()
    },
    flush: () => {
      const left = rest + decoder.decode()
      rest = ''
      return isLong || keeps(dataOf(left)) ? left : ''
    },
  }
}
