/** One attempt at one operation, over HTTP. Whatever comes back is written down by the caller. */
import { basic } from '../harness.js'
import type { Operation, Outcome } from './acknowledgements.js'

/** Far beyond any delay here. Who has waited so long will not be answered any more. */
export const patience = 30_000

export const headersOf = ({ key }: Pick<Operation, 'key'>): Record<string, string> => ({
  Authorization: basic('docs-server'),
  'Content-Type': 'application/json',
  'Idempotency-Key': key,
})

/** @param signal gives up earlier, as a caller with a deadline of its own */
export const attempt = async (
  url: string,
  operation: Operation,
  signal = AbortSignal.timeout(patience),
): Promise<Outcome> => {
  try {
    const response = await fetch(`${url}/ledger${operation.path}`, {
      method: 'POST',
      headers: headersOf(operation),
      body: JSON.stringify(operation.body),
      signal,
    })
    const body = (await response.json()) as Record<string, unknown>
    return {
      answer: { status: response.status, body },
      retryAfter: response.headers.get('retry-after'),
    }
  } catch (lost) {
    return { lost }
  }
}
