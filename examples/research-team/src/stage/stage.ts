/** Everyone on stage: the authorization server, the docs server and two agents, each a process. */
import { randomBytes, randomInt } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Addresses, type ClientId, demoConfig, newSecrets, type Secrets } from './config.js'
import type { Processes, Running } from './processes.js'

export interface Stage extends Addresses {
  readonly issuer: string
  readonly researcher: string
  readonly secrets: Secrets
  killAuthServer(): Promise<void>
  /** On the same data folder and port. */
  startAuthServer(): Promise<void>
}

/** Told when somebody is ready. */
export type OnReady = (who: string, url: string) => void

const here = dirname(fileURLToPath(import.meta.url))
const repository = join(here, '../../..')

/** The command of the package, as its `bin` says. */
const authServerCommand = (): string => {
  const manifest = createRequire(import.meta.url).resolve('@behalf/auth-server/package.json')
  const { bin } = JSON.parse(readFileSync(manifest, 'utf8'))
  return join(dirname(manifest), bin['behalf-auth-server'])
}

const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const server = createServer().once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })

/**
 * A port that is free now: who is known by its URL has one before it listens. Below those that
 * systems give to outgoing connections, so that it still is free then.
 */
const freePort = async (lowest: number): Promise<number> => {
  const port = randomInt(lowest, lowest + 5_000)
  return (await isFree(port)) ? port : freePort(lowest)
}

/** A folder for this run, which nobody else may read, with all that it leaves behind. */
export const createFolder = () => {
  const path = mkdtempSync(join(tmpdir(), 'behalf-demo-'))
  return {
    path,
    write: (name: string, content: unknown): string => {
      const file = join(path, name)
      writeFileSync(file, JSON.stringify(content, undefined, 2), { mode: 0o600 })
      return file
    },
    remove: () => rmSync(path, { recursive: true, force: true, maxRetries: 5 }),
  }
}

export type Folder = ReturnType<typeof createFolder>

const loopback = (port: number): string => `http://127.0.0.1:${port}`

const authServerEnv = (folder: Folder, port: string, configPath: string) => ({
  PORT: port,
  HOST: '127.0.0.1',
  LOG_LEVEL: 'info',
  BEHALF_ISSUER: '',
  BEHALF_CONFIG: configPath,
  BEHALF_SECRET: randomBytes(32).toString('base64'),
  DATABASE_URL: `pglite:${join(folder.path, 'data')}`,
  REDIS_URL: '',
})

/** Started and killed as often as the story needs it, always with the same settings. */
const createAuthServer = (processes: Processes, env: Readonly<Record<string, string>>) => {
  let running: Running | undefined
  return {
    kill: async () => running?.kill('SIGKILL'),
    start: async () => {
      running = await processes.start('auth-server', { command: [authServerCommand()], env })
    },
  }
}

/** Raises the curtain. Whoever called stops the processes and removes the folder. */
export const setStage = async (
  processes: Processes,
  folder: Folder,
  onReady: OnReady,
): Promise<Stage> => {
  const [issuerPort, docsPort] = await Promise.all([freePort(20_000), freePort(25_000)])
  const issuer = loopback(issuerPort)
  const origin = loopback(docsPort)
  const addresses = {
    docs: `${origin}/mcp`,
    reports: `${origin}/reports`,
    globex: `${origin}/globex`,
  }
  const secrets = newSecrets()
  const configPath = folder.write('behalf.config.json', demoConfig(addresses, secrets))
  const env = authServerEnv(folder, String(issuerPort), configPath)
  const authServer = createAuthServer(processes, env)

  const start = async (program: ClientId, settings: object): Promise<string> => {
    const own = { issuer, clientId: program, clientSecret: secrets[program], docs: addresses.docs }
    const file = folder.write(`${program}.json`, { ...own, ...settings })
    const command = [join(here, `${program}.js`), file]
    const { url } = await processes.start(program, { command })
    onReady(program, url)
    return url
  }
  const startAgents = async () => {
    const scraper = await start('scraper', {})
    return start('researcher', { scraper })
  }
  const startAuthServer = async () => {
    await authServer.start()
    onReady('authorization server', issuer)
  }
  const [researcher] = await Promise.all([
    startAgents(),
    start('docs-server', { repository }),
    startAuthServer(),
  ])
  return {
    ...addresses,
    issuer,
    secrets,
    researcher,
    killAuthServer: authServer.kill,
    startAuthServer: authServer.start,
  }
}
