/** The words of the command line. What makes no sense is said, with the word that was meant. */
import { parseArgs } from 'node:util'
import type { Level } from './check.js'
import type { ToolProbe, UpstreamProbe } from './target.js'

export const usage = `Usage: npx @behalf/mcp conformance <url> [where tokens come from] [options]

Checks how a protected MCP server handles tokens, good ones and bad ones.

Where tokens come from, best first:
  --test-issuer           an issuer of the kit's own on this machine, which can sign every bad token.
                          Start the server so that it trusts it: http://127.0.0.1:4199
  --port N                another port for it
  --start COMMAND         starts the server, with CONFORMANCE_ISSUER and CONFORMANCE_RESOURCE in its
                          environment, and ends it
  --client-id ID --client-secret-env NAME --issuer URL
                          client credentials. NAME is a variable of the environment
  --token-command COMMAND prints a good token
  --token-env NAME        a variable of the environment that holds one
  --token TOKEN           here for all to see who list the processes of this machine
  --tokens FILE           JSON: tokens that only your issuer can make. "good", "expired",
                          "not-yet-valid", "wrong-audience", "wrong-issuer", "insufficient-scope",
                          "revoked", "limits-exceeded", "other-caller"

What the server has:
  --tool NAME --tool-scope SCOPE [--tool-arguments JSON]      a tool that needs a scope
  --upstream-tool NAME --upstream-port N                      a tool that calls an API on that port
  --origin ORIGIN         of a web page that may call
  --scope SCOPE           of good tokens. Default: all that the server offers
  --resource URI          what the server calls itself. Default: <url>

Which checks:
  --only IDS, --skip IDS  with commas
  --level LEVEL           must, should or advised (all, the default)
  --timeout MS            for each request. Default: 5000
  --json                  the report as JSON

The exit code is 0 when nothing failed, 1 when something did, 2 when it could not be run.`

/** Something that was asked for does not make sense. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

const text = { type: 'string' } as const
const flag = { type: 'boolean' } as const

const parse = (argv: readonly string[]) => {
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        'test-issuer': flag,
        port: text,
        start: text,
        issuer: text,
        'client-id': text,
        'client-secret-env': text,
        'token-command': text,
        'token-env': text,
        token: text,
        tokens: text,
        tool: text,
        'tool-scope': text,
        'tool-arguments': text,
        'upstream-tool': text,
        'upstream-port': text,
        origin: text,
        scope: text,
        resource: text,
        only: text,
        skip: text,
        level: text,
        timeout: text,
        json: flag,
        help: flag,
      },
    })
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : 'The arguments make no sense.')
  }
}

export type Values = ReturnType<typeof parse>['values']

const number = (name: string, value: string | undefined, most: number): number | undefined => {
  if (value === undefined) return undefined
  const parsed = Number(value)
  if (/^\d{1,6}$/.test(value) && parsed >= 1 && parsed <= most) return parsed
  throw new UsageError(`--${name} must be a whole number from 1 to ${most}.`)
}

const list = (value: string | undefined): string[] | undefined => value?.split(',')

const objectOf = (name: string, value: string | undefined): Record<string, unknown> | undefined => {
  if (value === undefined) return undefined
  try {
    const parsed: unknown = JSON.parse(value)
    if (typeof parsed === 'object' && parsed !== null) return { ...parsed }
  } catch {
    // Said below.
  }
  throw new UsageError(`--${name} must be a JSON object.`)
}

const toolOf = (values: Values): ToolProbe | undefined => {
  const { tool: name, 'tool-scope': scope } = values
  if (name === undefined) return undefined
  if (scope === undefined)
    throw new UsageError('--tool needs --tool-scope: what the tool asks for.')
  return { name, scope, arguments: objectOf('tool-arguments', values['tool-arguments']) }
}

const upstreamOf = (values: Values): UpstreamProbe | undefined => {
  const { 'upstream-tool': tool } = values
  const port = number('upstream-port', values['upstream-port'], 65_535)
  if (tool === undefined) return undefined
  if (port === undefined) throw new UsageError('--upstream-tool needs --upstream-port.')
  return { tool, port }
}

const levelOf = (level: string | undefined): Level | undefined => {
  if (level === undefined || level === 'must' || level === 'should' || level === 'advised') {
    return level
  }
  throw new UsageError('--level must be must, should or advised.')
}

const urlOf = (positionals: readonly string[]): string => {
  const [command, url, ...more] = positionals
  if (command !== 'conformance') throw new UsageError('There is one command: conformance.')
  if (url === undefined || more.length > 0) throw new UsageError('Name one URL.')
  if (!/^https?:\/\//i.test(url) || !URL.canParse(url)) {
    throw new UsageError(
      'The URL must be that of an MCP server, such as http://127.0.0.1:3000/mcp.',
    )
  }
  return url
}

/** @throws UsageError */
export const readArguments = (argv: readonly string[]) => {
  const { values, positionals } = parse(argv)
  if (values.help || argv.length === 0) return undefined
  return {
    values,
    port: number('port', values.port, 65_535) ?? 4199,
    options: {
      url: urlOf(positionals),
      issuer: values.issuer,
      resource: values.resource,
      scope: values.scope?.split(' '),
      origin: values.origin,
      tool: toolOf(values),
      upstream: upstreamOf(values),
      only: list(values.only),
      skip: list(values.skip),
      level: levelOf(values.level),
      timeoutMs: number('timeout', values.timeout, 60_000),
    },
  }
}

export type Arguments = NonNullable<ReturnType<typeof readArguments>>
