/** The command as an operator runs it: its one line, its refusals, its end, and what survives it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createLocalJWKSet, decodeProtectedHeader, type JSONWebKeySet, jwtVerify } from 'jose'
import postgres from 'postgres'
import { afterAll, afterEach, beforeAll, describe, expect, inject, test, vi } from 'vitest'
import { startPostgres } from '../../../scripts/postgres.mjs'
import { startRedis, withoutRedis } from '../../../scripts/redis.mjs'
import { baseConfig, basic, createDatabase, decode, docs } from './harness.js'

const main = fileURLToPath(new URL('../dist/main.js', import.meta.url))
const secret = 'a secret of at least 32 characters, for tests only'

// A process takes its seconds to start, and more on a busy machine.
vi.setConfig({ testTimeout: 120_000 })

const folder = mkdtempSync(join(tmpdir(), 'behalf-process-'))
const children = new Set<ChildProcess>()
afterEach(() => {
  for (const child of children) child.kill('SIGKILL')
  children.clear()
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const write = (name: string, text: string): string => {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}
const configPath = write('config.json', JSON.stringify(baseConfig))

type Env = Record<string, string | undefined>

/** Every path is absolute and the folder is empty, so nothing of the developer's is touched. */
const launch = (env: Env) => {
  const child = spawn(process.execPath, [main], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: process.env.PATH,
      PORT: '0',
      DATABASE_URL: 'memory:',
      BEHALF_CONFIG: configPath,
      ...env,
    },
  })
  children.add(child)
  const output = { stdout: '', stderr: '' }
  child.stdout.on('data', (chunk) => {
    output.stdout += chunk
  })
  child.stderr.on('data', (chunk) => {
    output.stderr += chunk
  })
  const ended = new Promise<number | null>((resolve) => {
    child.once('close', (code) => resolve(code))
  })
  return { child, output, ended }
}

/** Waits for the one line. @throws Error with what it said, if it ended instead */
const start = async (env: Env) => {
  const { child, output, ended } = launch(env)
  const listening = new Promise<void>((resolve) => {
    child.stdout.on('data', () => output.stdout.includes('\n') && resolve())
  })
  await Promise.race([listening, ended])
  const url = /^listening on (\S+)\n$/.exec(output.stdout)?.[1]
  if (!url) throw new Error(`it did not start: ${output.stderr}`)
  const end = (signal: NodeJS.Signals): Promise<number | null> => {
    child.kill(signal)
    return ended
  }
  return { url, output, end, post: poster(url), get: (path: string) => fetch(url + path) }
}

const poster =
  (url: string) =>
  (path: string, clientId: string, fields: Record<string, string>): Promise<Response> =>
    fetch(url + path, {
      method: 'POST',
      headers: { Authorization: basic(clientId) },
      body: new URLSearchParams(fields),
    })

type Running = Awaited<ReturnType<typeof start>>

const tokenOf = async (server: Running): Promise<string> => {
  const fields = { grant_type: 'client_credentials', resource: docs }
  const response = await server.post('/token', 'orchestrator', fields)
  return ((await response.json()) as { access_token: string }).access_token
}

const isActive = async (server: Running, token: string): Promise<boolean> => {
  const response = await server.post('/introspect', 'docs-server', { token })
  return ((await response.json()) as { active: boolean }).active
}

/** Lines that are for the operator; those of the log are JSON. */
const said = (stderr: string): string[] =>
  stderr.split('\n').filter((line) => line.startsWith('behalf: '))

const expectRefusal = async (env: Env, line: RegExp): Promise<void> => {
  const { output, ended } = launch(env)
  expect(await ended).toBe(1)
  expect(output.stdout).toBe('')
  expect(said(output.stderr)).toEqual([expect.stringMatching(line)])
  expect(output.stderr).not.toMatch(/\n {4}at |node:internal/)
}

test('it starts without the Redis that it is told of, says so once, and quotes no password', async () => {
  const server = await start({ REDIS_URL: 'redis://someone:hush@127.0.0.1:1' })
  const token = await tokenOf(server)
  expect(await isActive(server, token)).toBe(true)
  expect((await server.get('/readyz')).status).toBe(200)
  expect(await server.end('SIGTERM')).toBe(0)
  const lines = server.output.stderr.split('\n').filter((line) => line.includes('Redis'))
  expect(lines).toHaveLength(1)
  expect(lines[0]).toContain('ECONNREFUSED')
  expect(server.output.stderr).not.toMatch(/hush|someone/)
})

test.skipIf(withoutRedis)('it does not start with a password that Redis refuses', async () => {
  const redis = await startRedis({ flags: ['--requirepass', 'right'] })
  try {
    const REDIS_URL = `redis://:hush@127.0.0.1:${redis.port}`
    await expectRefusal({ REDIS_URL }, /^behalf: REDIS_URL: Redis refuses the user name or the/)
  } finally {
    await redis.stop()
  }
})

test('it prints exactly one line when it is ready, and ends on SIGTERM with 0', async () => {
  const server = await start({})
  expect(server.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/)
  expect((await server.get('/readyz')).status).toBe(200)
  const token = await tokenOf(server)
  expect(decode(token).iss).toBe(server.url)
  expect(await server.end('SIGTERM')).toBe(0)
  expect(server.output.stdout).toBe(`listening on ${server.url}\n`)
  expect(server.output.stderr).not.toContain(token)
})

test('it signs as the issuer that it is told to be', async () => {
  const server = await start({ BEHALF_ISSUER: 'https://auth.example/acme' })
  const response = await server.get('/.well-known/oauth-authorization-server/acme')
  expect(await response.json()).toMatchObject({ issuer: 'https://auth.example/acme' })
  expect(await server.end('SIGINT')).toBe(0)
})

test('it starts with nothing configured, and says so', async () => {
  const server = await start({ BEHALF_CONFIG: undefined })
  expect(server.output.stderr).toContain('No clients are configured')
})

describe('a bad setting ends it with one clear line:', () => {
  const nowhere = 'postgres://postgres@127.0.0.1:1/none'
  const broken = write('broken.json', '{"clients": [}')
  const wrong = write(
    'wrong.json',
    '{"clients":[{"client_id":"a","kind":"robot","client_secret":"12345678"}]}',
  )
  const dangling = write(
    'dangling.json',
    '{"clients":[{"client_id":"a","kind":"agent","tenant_id":"x","client_secret":"12345678"}]}',
  )
  const settings: [string, Env, RegExp][] = [
    ['PORT', { PORT: 'http' }, /^behalf: PORT: "http" is not a port$/],
    ['PORT out of range', { PORT: '65536' }, /^behalf: PORT: "65536" is not a port$/],
    [
      'HOST',
      { HOST: 'no-such-host.invalid' },
      /^behalf: HOST, PORT: cannot listen on no-such-host/,
    ],
    [
      'BEHALF_ISSUER over http',
      { BEHALF_ISSUER: 'http://auth.example' },
      /^behalf: BEHALF_ISSUER: .* must use https/,
    ],
    [
      'BEHALF_ISSUER with a slash',
      { BEHALF_ISSUER: 'https://auth.example/' },
      /^behalf: BEHALF_ISSUER: .* must not end with "\/"$/,
    ],
    [
      'BEHALF_ISSUER with a query',
      { BEHALF_ISSUER: 'https://auth.example?x' },
      /^behalf: BEHALF_ISSUER: .* no query/,
    ],
    [
      'BEHALF_ISSUER in upper case',
      { BEHALF_ISSUER: 'https://AUTH.example' },
      /^behalf: BEHALF_ISSUER: .* should be written "https:\/\/auth\.example"$/,
    ],
    ['DATABASE_URL', { DATABASE_URL: 'mysql://x' }, /^behalf: DATABASE_URL: must be postgres/],
    [
      'DATABASE_URL that is no URL',
      { DATABASE_URL: 'postgres://%%', BEHALF_SECRET: secret },
      /^behalf: DATABASE_URL: is not a URL$/,
    ],
    [
      'DATABASE_URL that is a file',
      { DATABASE_URL: `pglite:${broken}` },
      /^behalf: DATABASE_URL: cannot use .* \(EEXIST\)$/,
    ],
    [
      'no BEHALF_SECRET with PostgreSQL',
      { DATABASE_URL: nowhere },
      /^behalf: BEHALF_SECRET: must be set with a PostgreSQL database/,
    ],
    [
      'a short BEHALF_SECRET',
      { BEHALF_SECRET: 'short' },
      /^behalf: BEHALF_SECRET: needs 32 characters/,
    ],
    ...['http://127.0.0.1:6379', 'redis://', 'redis://u:hush@h/x', 'redis://:%hush@h', 'redis'].map(
      (url): [string, Env, RegExp] => [
        `REDIS_URL ${url}`,
        { REDIS_URL: url },
        /^behalf: REDIS_URL: must be redis:\/\/HOST:PORT or rediss:\/\/(?!.*hush)/,
      ],
    ),
    ['LOG_LEVEL', { LOG_LEVEL: 'loud' }, /^behalf: LOG_LEVEL: must be one of fatal, /],
    [
      'a missing file',
      { BEHALF_CONFIG: join(folder, 'gone.json') },
      /^behalf: BEHALF_CONFIG: cannot read .*gone\.json \(ENOENT\)$/,
    ],
    [
      'a folder for a file',
      { BEHALF_CONFIG: folder },
      /^behalf: BEHALF_CONFIG: cannot read .* \(EISDIR\)$/,
    ],
    [
      'a file that is no JSON',
      { BEHALF_CONFIG: broken },
      /^behalf: .*broken\.json: it is not JSON: /,
    ],
    [
      'a mistake in the file',
      { BEHALF_CONFIG: wrong },
      /^behalf: .*wrong\.json: clients\[0\]\.kind: /,
    ],
    [
      'a name that is nowhere',
      { BEHALF_CONFIG: dangling },
      /^behalf: .*dangling\.json: clients\[0\]\.tenant_id: "x" is not among tenants$/,
    ],
    [
      'a database that is away',
      { DATABASE_URL: nowhere, BEHALF_SECRET: secret },
      /^behalf: DATABASE_URL: the database does not answer \(ECONNREFUSED\)$/,
    ],
  ]

  test.each(settings)('%s', async (_, env, line) => {
    await expectRefusal(env, line)
  })

  test('a port that is taken', async () => {
    const other = createServer()
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
    const { port } = other.address() as { port: number }
    await expectRefusal({ PORT: String(port) }, new RegExp(`^behalf: PORT: ${port} is taken`))
    other.close()
  })
})

describe('on a PGlite folder', () => {
  const data = join(folder, 'data')
  const env = { DATABASE_URL: `pglite:${data}` }

  test('it makes a secret that only its user can read, once', async () => {
    const first = await start(env)
    expect(first.output.stderr).toContain(`Made a server secret in ${join(data, 'secret')}`)
    expect(statSync(join(data, 'secret')).mode & 0o077).toBe(0)
    const made = readFileSync(join(data, 'secret'), 'utf8')
    expect(first.output.stderr).not.toContain(made)
    expect(await first.end('SIGTERM')).toBe(0)
    const second = await start(env)
    expect(second.output.stderr).not.toContain('Made a server secret')
    expect(readFileSync(join(data, 'secret'), 'utf8')).toBe(made)
    expect(await second.end('SIGTERM')).toBe(0)
    expect(existsSync(join(data, 'server.pid'))).toBe(false)
  })

  test('a second process is turned away while the first one lives', async () => {
    const first = await start(env)
    await expectRefusal(env, /^behalf: The data folder .* is in use by process \d+\. Stop that one/)
    expect((await first.get('/readyz')).status).toBe(200)
  })

  test('another secret is turned away', async () => {
    await expectRefusal({ ...env, BEHALF_SECRET: secret }, /^behalf: BEHALF_SECRET does not open/)
  })

  test.each(['SIGTERM', 'SIGKILL'] as const)(
    'after %s its tokens verify, and keys, revocations and balances are what they were',
    async (signal) => {
      const before = await start({ ...env, BEHALF_ISSUER: 'http://127.0.0.1:4000' })
      const kept = await tokenOf(before)
      const revoked = await tokenOf(before)
      const keys = await (await before.get('/jwks')).json()
      const charge = (server: Running, token: string, amount_usd: string) =>
        fetch(`${server.url}/ledger/reservations`, {
          method: 'POST',
          headers: {
            Authorization: basic('docs-server'),
            'Content-Type': 'application/json',
            'Idempotency-Key': `${signal}-${amount_usd}`,
          },
          body: JSON.stringify({ token, amount_usd, action: 'docs.read', ttl_seconds: 3600 }),
        })
      expect((await charge(before, kept, '7')).status).toBe(201)
      const budgetOf = async (server: Running) => {
        const headers = { Authorization: basic('orchestrator') }
        const [id] = decode(kept).agent_lineage as string[]
        return (await fetch(`${server.url}/ledger/budgets/${id}`, { headers })).json()
      }
      const balance = await budgetOf(before)
      expect(JSON.stringify(balance)).toMatch(/"7(\.0+)?"|14/)
      expect(await before.end(signal)).toBe(signal === 'SIGTERM' ? 0 : null)

      const after = await start({ ...env, BEHALF_ISSUER: 'http://127.0.0.1:4000' })
      expect(await (await after.get('/jwks')).json()).toEqual(keys)
      await jwtVerify(kept, createLocalJWKSet(keys as JSONWebKeySet))
      expect(decodeProtectedHeader(await tokenOf(after)).kid).toBe(decodeProtectedHeader(kept).kid)
      expect(await budgetOf(after)).toEqual(balance)
      expect(await isActive(after, kept)).toBe(true)
      await after.post('/revoke', 'orchestrator', { token: revoked })
      expect(await after.end(signal)).toBe(signal === 'SIGTERM' ? 0 : null)

      const last = await start({ ...env, BEHALF_ISSUER: 'http://127.0.0.1:4000' })
      expect(await isActive(last, revoked)).toBe(false)
    },
  )
})

describe.runIf(inject('postgresUrl'))('on PostgreSQL', () => {
  let database: Awaited<ReturnType<typeof createDatabase>>
  beforeAll(async () => {
    database = await createDatabase()
  })
  afterAll(() => database.drop())
  const envOf = (url: string): Env => ({
    DATABASE_URL: url,
    BEHALF_SECRET: secret,
    BEHALF_ISSUER: 'http://127.0.0.1:4000',
  })

  test('two processes that start at once on an empty database both come up, with one key', async () => {
    const env = envOf(database.url)
    const [one, other] = await Promise.all([start(env), start(env)])
    const keys = await (await one.get('/jwks')).json()
    expect(keys).toEqual(await (await other.get('/jwks')).json())
    const token = await tokenOf(one)
    expect(await isActive(other, token)).toBe(true)
    await other.post('/revoke', 'orchestrator', { token })
    expect(await isActive(one, token)).toBe(false)
    expect(await Promise.all([one.end('SIGTERM'), other.end('SIGTERM')])).toEqual([0, 0])
  })

  test('a database that is not there is refused by name', async () => {
    const missing = envOf(`${inject('postgresUrl')}no_such_database`)
    await expectRefusal(
      missing,
      /^behalf: DATABASE_URL: database "no_such_database" does not exist$/,
    )
  })

  test('a database that holds something else is refused without printing the statement', async () => {
    const other = await createDatabase()
    const client = postgres(other.url, { max: 1 })
    await client`create table budgets (x integer)`
    await client.end()
    const line = /^behalf: DATABASE_URL: relation "budgets" already exists$/
    await expectRefusal(envOf(other.url), line)
    await other.drop()
  })

  test('without its database it says 503 and when to come back, and recovers by itself', async () => {
    const own = await startPostgres()
    try {
      const server = await start(envOf(`${own.url}postgres`))
      const token = await tokenOf(server)
      await own.kill()
      const fields = { grant_type: 'client_credentials', resource: docs }
      for (let turn = 0; turn < 12; turn += 1) {
        const began = performance.now()
        const response = await server.post('/token', 'orchestrator', fields)
        expect(response.status).toBe(503)
        expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0)
        expect(await response.json()).toMatchObject({ error: 'temporarily_unavailable' })
        expect(performance.now() - began).toBeLessThan(5000)
      }
      expect((await server.get('/readyz')).status).toBe(503)
      expect((await server.get('/livez')).status).toBe(200)
      expect((await server.get('/jwks')).status).toBe(200)
      await own.restart()
      await expect
        .poll(async () => (await server.get('/readyz')).status, { timeout: 5000 })
        .toBe(200)
      // Each connection comes back on its own, so the first may be ready before the others.
      await expect.poll(() => isActive(server, token), { timeout: 5000 }).toBe(true)
      await expect
        .poll(async () => (await server.post('/token', 'orchestrator', fields)).status, {
          timeout: 5000,
        })
        .toBe(200)
      expect(await server.end('SIGTERM')).toBe(0)
    } finally {
      await own.stop()
    }
  })
})
