/** What the kit does with answers that were made to keep it busy. */
import { expect, test } from 'vitest'
import { createFetchSend } from '../src/conformance/http.js'

const outgoing = { url: 'https://api.example/mcp', method: 'POST', headers: {} }

const streamOf = (parts: readonly string[]): Response =>
  new Response(
    new ReadableStream({
      start: (controller) => {
        for (const part of parts) controller.enqueue(new TextEncoder().encode(part))
        controller.close()
      },
    }),
    { headers: { 'content-type': 'text/event-stream' } },
  )

test('a stream that looks like an answer in ten thousand ways takes no time', async () => {
  const parts = ['data: {', ...Array.from({ length: 6 }, () => '"result"'.repeat(5000)), '\n\n']
  const send = createFetchSend(() => streamOf(parts), 1000)
  const began = performance.now()
  expect((await send(outgoing)).text.length).toBeGreaterThan(200_000)
  expect(performance.now() - began).toBeLessThan(1000)
})

test('the first answer of a stream is enough', async () => {
  const answer = 'event: message\r\ndata: {"jsonrpc":"2.0","id":1,"result":{}}\r\n\r\n'
  const send = createFetchSend(() => streamOf([': hello\n\n', answer, 'data: more\n\n']), 1000)
  expect((await send(outgoing)).text).toBe(`: hello\n\n${answer}`)
})
