/** Starts what is measured, each in a process of its own. */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const secret = 'a-client-secret-of-the-benchmark-256-bits'
export const resource = 'http://127.0.0.1:4100/mcp'

/** HTTP Basic of any client here: all have the same secret. */
export const basic = (clientId) =>
  `Basic ${Buffer.from(`${clientId}:${secret}`).toString('base64')}`

const ready = (child) =>
  new Promise((resolve, reject) => {
    let output = ''
    child.stdout.on('data', (chunk) => {
      output += chunk
      const url = /listening on (\S+)/.exec(output)?.[1]
      if (url) resolve(url)
    })
    child.once('exit', (code) => reject(new Error(`a server ended with ${code}`)))
  })

/** As `npm start` gives them, and the same for whatever is measured beside it. */
const nodeFlags = ['--max-semi-space-size=64']

const start = async (script, env, args = []) => {
  const file = fileURLToPath(new URL(script, import.meta.url))
  const child = spawn(process.execPath, [...nodeFlags, file, ...args], {
    env: { PATH: process.env.PATH, NODE_ENV: 'production', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const url = await ready(child)
  return {
    url,
    pid: child.pid,
    stop: () =>
      new Promise((resolve) => {
        child.once('exit', resolve)
        child.kill('SIGTERM')
      }),
  }
}

export const startFloor = () => start('./floor.mjs', { BENCH_SECRET: secret })

export const startReserveFloor = (databaseUrl) =>
  start('./reserve-floor.mjs', { BENCH_SECRET: secret, DATABASE_URL: databaseUrl })

export const startCheckThenRecord = (databaseUrl) =>
  start('./check-then-record.mjs', { DATABASE_URL: databaseUrl })

/** What is behind that port, so many milliseconds away in each direction. */
export const startDelay = (port, milliseconds) =>
  start('./delay-proxy.mjs', {}, [port, milliseconds].map(String))

/** Our server, as `npm start` runs it, on the database and with the configuration given. */
export const startOurs = async (databaseUrl, config, { workers = 1 } = {}) => {
  const folder = mkdtempSync(join(tmpdir(), 'behalf-bench-'))
  const path = join(folder, 'behalf.config.json')
  writeFileSync(path, JSON.stringify(config))
  const server = await start('../../apps/auth-server/dist/main.js', {
    BEHALF_CONFIG: path,
    BEHALF_SECRET: 'a server secret of the benchmark, 32 characters',
    DATABASE_URL: databaseUrl,
    LOG_LEVEL: 'warn',
    PORT: '0',
    WORKERS: String(workers),
  })
  return {
    ...server,
    stop: async () => {
      await server.stop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
