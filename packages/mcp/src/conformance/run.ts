/** One run of all checks against one server, bounded in time and in requests. */
import { type Check, failed, type Level, type Outcome, type Status } from './check.js'
import { checks } from './checks.js'
import { createFetchSend, createSocketSend, type Send } from './http.js'
import { createTarget, type Target, type ToolProbe, type UpstreamProbe } from './target.js'
import { type TokenSource, tokensFrom } from './token-source.js'

export interface ConformanceOptions {
  /** Of the MCP server, as clients call it. */
  url: string
  /** A good token, or where tokens come from. With a {@link TokenSource} that mints, every check runs. */
  tokens: string | TokenSource
  /** The issuer that the server trusts. @defaultValue that of `tokens`, else the one that the server names */
  issuer?: string | undefined
  /** What the server calls itself. @defaultValue `url` */
  resource?: string | undefined
  /** Scopes of the good token. @defaultValue all that the server offers */
  scope?: readonly string[] | undefined
  /** A tool that needs a scope. Without one the checks of tools are skipped. */
  tool?: ToolProbe | undefined
  /** A tool that calls an API, and the port at which the kit shall be that API. */
  upstream?: UpstreamProbe | undefined
  /** The origin of a web page that may call. @defaultValue that of the server */
  origin?: string | undefined
  /** Ids of the checks to run. @defaultValue all */
  only?: readonly string[] | undefined
  skip?: readonly string[] | undefined
  /** Leaves out what is weaker than that. @defaultValue 'advised', which is all */
  level?: Level | undefined
  /** The way to a server in this process. Header lines and `Host` cannot be chosen then. */
  fetch?: ((url: string, init: RequestInit) => Promise<Response> | Response) | undefined
  /** For each request. @defaultValue 5000 */
  timeoutMs?: number | undefined
  /** For the whole run. What has not run by then has failed. @defaultValue 120 */
  deadlineSeconds?: number | undefined
  /** How long a revoked token may go on. @defaultValue 10 */
  revocationSeconds?: number | undefined
  /** Milliseconds since 1970. @defaultValue Date.now */
  now?: (() => number) | undefined
  /** Waits between two looks at a revoked token. Tests pass their own. */
  sleep?: ((ms: number) => Promise<void>) | undefined
}

export interface Result extends Outcome {
  id: string
  title: string
  level: Level
  fix: string
  spec: string
}

export interface Report {
  url: string
  issuer: string | undefined
  passed: number
  failed: number
  skipped: number
  /** How many requests the run took. */
  requests: number
  results: readonly Result[]
}

const maxRequests = 1000
const strength: readonly Level[] = ['must', 'should', 'advised']

const misuse = (problem: string): TypeError => new TypeError(`runConformance: ${problem}`)

const checkUrl = (url: unknown): string => {
  if (typeof url === 'string' && /^https?:\/\//i.test(url) && URL.canParse(url)) return url
  throw misuse('url must be the http(s) URL of an MCP server.')
}

const checkIds = (ids: readonly string[] = []): ReadonlySet<string> => {
  const unknown = ids.filter((id) => !checks.some((check) => check.id === id))
  if (unknown.length > 0) throw misuse(`there is no check called ${unknown.join(', ')}.`)
  return new Set(ids)
}

const choose = ({ only, skip, level = 'advised' }: ConformanceOptions): Check[] => {
  const [wanted, unwanted] = [checkIds(only), checkIds(skip)]
  return checks.filter(
    (check) =>
      (only === undefined || wanted.has(check.id)) &&
      !unwanted.has(check.id) &&
      strength.indexOf(check.level) <= strength.indexOf(level),
  )
}

/** A server that answers nothing must not hold the run up for ever. */
const createBounded = (send: Send, isOver: () => boolean) => {
  let count = 0
  const bounded: Send = async (outgoing) => {
    if (isOver() || count >= maxRequests) {
      return { status: 0, header: () => undefined, text: 'the run is over' }
    }
    count += 1
    return send(outgoing)
  }
  return { send: bounded, count: () => count }
}

const targetFor = (options: ConformanceOptions, send: Send): Target => {
  const { url, tokens, fetch } = options
  const { revocationSeconds = 10, now = Date.now } = options
  return createTarget({
    url: checkUrl(url),
    resource: options.resource ?? url,
    issuer: options.issuer,
    scope: options.scope,
    tokens: typeof tokens === 'string' ? tokensFrom(tokens) : tokens,
    tool: options.tool,
    upstream: options.upstream,
    origin: options.origin ?? new URL(url).origin,
    revocationSeconds,
    send,
    hasSocket: fetch === undefined,
    now,
    sleep: options.sleep ?? ((ms) => new Promise((resolve) => setTimeout(resolve, ms))),
  })
}

const runCheck = async (check: Check, target: Target, isOver: () => boolean): Promise<Result> => {
  const { run, ...rest } = check
  if (isOver()) return { ...rest, ...failed('not run: the time was up') }
  try {
    return { ...rest, ...(await run(target)) }
  } catch (error) {
    return { ...rest, ...failed(error instanceof Error ? error.message : 'the check broke') }
  }
}

/**
 * Runs the checks one after another, so that a server under test is not put under load.
 *
 * @throws TypeError for options that could never work
 */
export const runConformance = async (options: ConformanceOptions): Promise<Report> => {
  const { timeoutMs = 5000, deadlineSeconds = 120, now = Date.now, fetch } = options
  const startedAt = now()
  const isOver = (): boolean => now() - startedAt > deadlineSeconds * 1000
  const plain = fetch ? createFetchSend(fetch, timeoutMs) : createSocketSend(timeoutMs)
  const { send, count } = createBounded(plain, isOver)
  const chosen = choose(options)
  const target = targetFor(options, send)
  const results: Result[] = []
  for (const check of chosen) results.push(await runCheck(check, target, isOver))
  const number = (status: Status): number =>
    results.filter((result) => result.status === status).length
  return {
    url: options.url,
    issuer: await target.issuer(),
    passed: number('passed'),
    failed: number('failed'),
    skipped: number('skipped'),
    requests: count(),
    results,
  }
}
