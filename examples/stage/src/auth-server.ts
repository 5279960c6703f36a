/** Runs the authorization server for as long as the example takes, with nothing kept on disk. */
import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const program = fileURLToPath(new URL('../../../apps/auth-server/dist/main.js', import.meta.url))

export interface AuthServerOptions {
  /** The `behalf.config.json` of the example. */
  config: URL
  /** What stands in for the ports of that file, so that the example runs wherever they are taken. */
  ports: ReadonlyMap<number, number>
}

export interface AuthServer {
  issuer: string
  stop: () => Promise<void>
}

const writeConfig = async (folder: string, { config, ports }: AuthServerOptions) => {
  const path = join(folder, 'behalf.config.json')
  let text = await readFile(config, 'utf8')
  for (const [written, port] of ports) {
    text = text.replaceAll(`127.0.0.1:${written}/`, `127.0.0.1:${port}/`)
  }
  await writeFile(path, text)
  return path
}

export const startAuthServer = async (options: AuthServerOptions): Promise<AuthServer> => {
  const folder = await mkdtemp(join(tmpdir(), 'behalf-example-'))
  const child = spawn(process.execPath, [program], {
    env: {
      BEHALF_CONFIG: await writeConfig(folder, options),
      DATABASE_URL: 'memory:',
      PORT: '0',
      LOG_LEVEL: 'error',
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = new Promise((resolve) => child.once('exit', resolve))
  const stop = async (): Promise<void> => {
    child.kill()
    await exited
    await rm(folder, { recursive: true })
  }
  for await (const line of createInterface({ input: child.stdout })) {
    const issuer = /^listening on (\S+)$/.exec(line)?.[1]
    if (issuer !== undefined) return { issuer, stop }
  }
  await stop()
  throw new Error('the authorization server did not start')
}
