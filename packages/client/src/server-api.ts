/** The authorization server's own JSON API, as this client. */
import { OAuthError } from '@behalf/protocol'
import { isSuccess, refusalOf } from './refusal.js'
import { requestJson } from './request-json.js'
import type { Settings } from './settings.js'

/** A schema of `@behalf/protocol`, as far as it is needed here. */
interface Schema<T> {
  safeParse(value: unknown): { success: true; data: T } | { success: false }
}

export interface CallOptions {
  /** @defaultValue 'GET' */
  method?: 'GET' | 'POST'
  maxBytes?: number
  headers?: Readonly<Record<string, string>>
}

const party = 'The authorization server'

/** @throws OAuthError `server_error` when the server has no such endpoint */
export const requireEndpoint = (url: string | undefined, what: string, reason: string): string => {
  if (url !== undefined) return url
  throw new OAuthError('server_error', {
    description: `The authorization server has no ${what}.`,
    reason,
    hint: 'Check that the issuer is a Behalf server, and that it is not older than this package.',
  })
}

export const unusableAnswer = (): OAuthError =>
  new OAuthError('server_error', {
    description: 'The authorization server answered something else than was asked for.',
    reason: 'unexpected_response',
    hint: 'Check that the issuer is a Behalf server, and that this package is not older than it.',
  })

/** @throws OAuthError `server_error` when the answer is none of these */
export const parseAnswer = <T>(schema: Schema<T>, body: unknown): T => {
  const result = schema.safeParse(body)
  if (result.success) return result.data
  throw unusableAnswer()
}

/** HTTP Basic, however the client authenticates at the token endpoint: there is no form here. */
export const callApi = async (
  url: string,
  { fetch, timeoutMs, authentication, now }: Settings,
  { method = 'GET', maxBytes, headers: more }: CallOptions = {},
): Promise<Record<string, unknown> | undefined> => {
  const headers = {
    ...more,
    accept: 'application/json',
    authorization: authentication.basic(),
    ...(method === 'POST' && { 'content-type': 'application/json' }),
  }
  const init = { method, headers, ...(method === 'POST' && { body: '{}' }) }
  const response = await requestJson(url, { fetch, timeoutMs, init, maxBytes, party })
  if (isSuccess(response)) return response.body
  throw refusalOf(response, { secrets: [...authentication.secrets, headers.authorization], now })
}
