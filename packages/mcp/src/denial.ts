/**
 * A tool that says no. As a tool result, since a 402 or 403 over HTTP would make stock clients start
 * a step-up that cannot help. Resources and prompts say it by an error.
 */
import type { OAuthError, OAuthErrorCode } from '@behalf/protocol'

/** Where MCP's structured authorization denials stand in a result (SEP-2643). */
export const denialKey = 'io.modelcontextprotocol/authorization'

/** Why, for programs. Amounts are decimal text in USD. */
export type Denial = {
  reason: 'insufficient_authorization'
  /** Would other authority help? `undisclosed` where only the authorization server could say. */
  remediation: 'unavailable' | 'undisclosed'
  error: OAuthErrorCode
  /** Finer than `error`, and stable. */
  error_detail: string | undefined
  /** All that the tool needs. */
  scope?: string
  action?: string
  required?: string
  remaining?: string
  /** Which budget leaves the least: a delegation, an agent or a tenant. */
  limited_by?: string
  /** When that budget starts again, where it is one of a day, a week or a month. */
  renews_at?: string
  /** Of requests: how many an hour has, and in how many seconds there is room for one more. */
  limit?: number
  retry_after?: number
}

/** A tool result in both generations of the SDK. */
export type ToolDenial = {
  content: { type: 'text'; text: string }[]
  isError: true
  _meta?: { [denialKey]: Denial }
}

/** A new token may have what this one lacks. It cannot have more budget, or other actions. */
const mendable: ReadonlySet<OAuthErrorCode> = new Set(['insufficient_scope', 'invalid_token'])

const shown = {
  scope: 'string',
  action: 'string',
  required: 'string',
  remaining: 'string',
  limited_by: 'string',
  renews_at: 'string',
  limit: 'number',
  retry_after: 'number',
} as const

const detailsOf = ({ details }: OAuthError): Pick<Denial, keyof typeof shown> =>
  Object.fromEntries(
    Object.entries(shown)
      .filter(([name, type]) => typeof details[name] === type)
      .map(([name]) => [name, details[name]]),
  )

const denialOf = (error: OAuthError): Denial => ({
  reason: 'insufficient_authorization',
  remediation: mendable.has(error.code) ? 'undisclosed' : 'unavailable',
  error: error.code,
  error_detail: error.reason,
  ...detailsOf(error),
})

// The hint is for who runs the server, and stays in the house.
const sentenceOf = (error: OAuthError): string => {
  const { required, remaining, limited_by: limitedBy, renews_at: renewsAt } = detailsOf(error)
  const seconds = error.headers['Retry-After']
  const sentences = [
    `${error.code}: ${error.description ?? 'This call is refused.'}`,
    required && remaining && `It needs ${required} USD, and ${remaining} USD are left.`,
    limitedBy && `Limited by ${limitedBy}.`,
    renewsAt && `It starts again at ${renewsAt}.`,
    seconds && `Try again in ${seconds} s.`,
  ]
  return sentences.filter(Boolean).join(' ')
}

/**
 * `structuredContent` stays empty on purpose: v1 clients hold it to the tool's output schema even
 * when the result is an error, and would throw the refusal away for not fitting it.
 */
export const toDenial = (error: OAuthError): ToolDenial => ({
  content: [{ type: 'text', text: sentenceOf(error) }],
  isError: true,
  // A ledger that is down says nothing about what this caller may do.
  ...(error.status < 500 && { _meta: { [denialKey]: denialOf(error) } }),
})

/**
 * The same where there is no result that could say no: a resource or a prompt. Its code is the HTTP
 * status that it would have been: the numbers below -32000 are JSON-RPC's and MCP's own, and codes for
 * other purposes belong outside of them (MCP 2026-07-28, "Error Codes").
 */
export const toRequestDenial = (error: OAuthError): Error =>
  Object.assign(new Error(sentenceOf(error)), {
    code: error.status,
    ...(error.status < 500 && { data: { [denialKey]: denialOf(error) } }),
  })
