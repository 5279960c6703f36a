/** A call of the docs server as any HTTP client could make it, with any token or none. */
import { z } from 'zod'

export interface RawAnswer {
  status: number
  /** The parameters of `WWW-Authenticate`. RFC 9110 §11.6.1. */
  challenge: ReadonlyMap<string, string>
  /** Of a refusal: the stable reason in its body. */
  reason: string | undefined
}

const paramsOf = (challenge: string): ReadonlyMap<string, string> =>
  new Map(
    [...challenge.matchAll(/([a-z_]+)="([^"]*)"/g)].map(([, name = '', value = '']) => [
      name,
      value,
    ]),
  )

const refusalBody = z.looseObject({ error_detail: z.string().optional() })

const reasonOf = (text: string): string | undefined => {
  try {
    return refusalBody.parse(JSON.parse(text)).error_detail
  } catch {
    return undefined
  }
}

const listTools = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list' })

export const callDocs = async (docs: string, token?: string): Promise<RawAnswer> => {
  const response = await fetch(docs, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
    },
    body: listTools,
    signal: AbortSignal.timeout(10_000),
  })
  return {
    status: response.status,
    challenge: paramsOf(response.headers.get('www-authenticate') ?? ''),
    reason: reasonOf(await response.text()),
  }
}
