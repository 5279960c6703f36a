/** The real authorization server, as a program, on an embedded database. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const program = fileURLToPath(new URL('../../../apps/auth-server/dist/main.js', import.meta.url))

export const secretOf = (clientId: string): string => `${clientId}-secret-of-32-characters`

export interface AuthServer {
  issuer: string
  /** By client credentials. */
  token: (clientId: string, resource: string, scope?: string) => Promise<string>
  revoke: (clientId: string, token: string) => Promise<void>
  remaining: (delegationId: string) => Promise<string | undefined>
  stop: () => Promise<void>
}

const listening = async (child: ChildProcess): Promise<string> => {
  if (!child.stdout) throw new Error('no output to read')
  for await (const line of createInterface({ input: child.stdout })) {
    const url = /^listening on (\S+)$/.exec(line)?.[1]
    if (url !== undefined) return url
  }
  throw new Error('the authorization server did not start')
}

const start = (configPath: string): ChildProcess =>
  spawn(process.execPath, [program], {
    env: {
      PATH: process.env.PATH ?? '',
      BEHALF_CONFIG: configPath,
      DATABASE_URL: 'memory:',
      PORT: '0',
      LOG_LEVEL: 'error',
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  })

const basic = (clientId: string): string => `Basic ${btoa(`${clientId}:${secretOf(clientId)}`)}`

const post = (url: string, clientId: string, form: Record<string, string>): Promise<Response> =>
  fetch(url, {
    method: 'POST',
    headers: { Authorization: basic(clientId) },
    body: new URLSearchParams(form),
  })

const stop = (child: ChildProcess, folder: string) => async (): Promise<void> => {
  const exited = new Promise((resolve) => child.once('exit', resolve))
  child.kill()
  await exited
  await rm(folder, { recursive: true })
}

export const startAuthServer = async (config: object): Promise<AuthServer> => {
  const folder = await mkdtemp(join(tmpdir(), 'behalf-mcp-'))
  const configPath = join(folder, 'behalf.config.json')
  await writeFile(configPath, JSON.stringify(config))
  const child = start(configPath)
  const issuer = await listening(child)
  return {
    issuer,
    token: async (clientId, resource, scope) => {
      const form = { grant_type: 'client_credentials', resource, ...(scope && { scope }) }
      const response = await post(`${issuer}/token`, clientId, form)
      const body = (await response.json()) as { access_token?: string }
      if (body.access_token === undefined) throw new Error(JSON.stringify(body))
      return body.access_token
    },
    revoke: async (clientId, token) => {
      await post(`${issuer}/revoke`, clientId, { token })
    },
    remaining: async (delegationId) => {
      const headers = { Authorization: basic('docs-server') }
      const response = await fetch(`${issuer}/ledger/budgets/${delegationId}`, { headers })
      return ((await response.json()) as { remaining_usd?: string }).remaining_usd
    },
    stop: stop(child, folder),
  }
}
