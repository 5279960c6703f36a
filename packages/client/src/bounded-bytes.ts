/** Bodies that are read no further than they should be. */

const concat = (parts: readonly Uint8Array[], length: number): Uint8Array => {
  const bytes = new Uint8Array(length)
  let offset = 0
  for (const part of parts) {
    bytes.set(part, offset)
    offset += part.length
  }
  return bytes
}

/**
 * @param signal ends the reading: the answer is then what has come
 * @returns `undefined` when there are more than `maxBytes`; what is left is then not read
 */
export const readBytes = async (
  body: ReadableStream<Uint8Array> | null,
  maxBytes: number,
  signal?: AbortSignal,
): Promise<Uint8Array | undefined> => {
  const parts: Uint8Array[] = []
  let length = 0
  const reader = body?.getReader()
  // Not awaited: of a body that was cloned, one half waits until the other is cancelled too.
  const cancel = (): void => void reader?.cancel().catch(() => undefined)
  signal?.addEventListener('abort', cancel, { once: true })
  for (let part = await reader?.read(); part && !part.done; part = await reader?.read()) {
    length += part.value.length
    parts.push(part.value)
    if (length > maxBytes) {
      cancel()
      return undefined
    }
  }
  return concat(parts, length)
}

/** What is left is not wanted: lets go of the connection. */
export const discard = async (response: Response): Promise<void> => {
  await response.body?.cancel().catch(() => undefined)
}
