/** Starts what is measured, each in a process of its own. */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const secret = 'a-client-secret-of-the-benchmark-256-bits'
export const resource = 'http://127.0.0.1:4100/mcp'
/** The clients of the floor and the peers. At ours each is what its name says. */
export const clients = ['bench', 'researcher', 'docs-server']

/** HTTP Basic of a client: nearly all have the same secret here. */
export const basic = (clientId, clientSecret = secret) =>
  `Basic ${Buffer.from(`${clientId}:${clientSecret}`).toString('base64')}`

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
  const begun = performance.now()
  const child = spawn(process.execPath, [...nodeFlags, file, ...args], {
    env: { PATH: process.env.PATH, NODE_ENV: 'production', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const url = await ready(child)
  return {
    url,
    begun,
    pid: child.pid,
    stop: () =>
      new Promise((resolve) => {
        if (child.exitCode !== null || child.signalCode !== null) return resolve()
        child.once('exit', resolve)
        child.kill('SIGTERM')
      }),
  }
}

/** A port that is free: some must know their address before they listen. */
const freePort = () =>
  new Promise((resolve, reject) => {
    const probe = createServer().once('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address()
      probe.close(() => resolve(port))
    })
  })

const shared = { BENCH_SECRET: secret, BENCH_RESOURCE: resource, BENCH_CLIENTS: clients.join(' ') }

/** @param {string} [databaseUrl] without it nothing is stored */
export const startFloor = (databaseUrl) =>
  start('./floor.mjs', { ...shared, ...(databaseUrl && { DATABASE_URL: databaseUrl }) })

/** @param {string} name of a file in `peers` */
export const startPeer = async (name, env) =>
  start(`./peers/${name}.mjs`, { ...shared, PORT: String(await freePort()), ...env })

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
