/** Runs the authorization server for as long as the example takes, with nothing kept on disk. */
import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const program = fileURLToPath(new URL('../../../apps/auth-server/dist/main.js', import.meta.url))
const config = new URL('../behalf.config.json', import.meta.url)

export interface AuthServer {
  issuer: string
  stop: () => Promise<void>
}

/** @param port stands in for 4100, so that the example runs wherever that is taken */
const writeConfig = async (folder: string, port: number): Promise<string> => {
  const path = join(folder, 'behalf.config.json')
  const text = await readFile(config, 'utf8')
  await writeFile(path, text.replaceAll('127.0.0.1:4100', `127.0.0.1:${port}`))
  return path
}

export const startAuthServer = async (port: number): Promise<AuthServer> => {
  const folder = await mkdtemp(join(tmpdir(), 'behalf-example-'))
  const child = spawn(process.execPath, [program], {
    env: {
      BEHALF_CONFIG: await writeConfig(folder, port),
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
