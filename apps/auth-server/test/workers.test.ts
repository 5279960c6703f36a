/** Several processes on one port, as `WORKERS` starts them: real ones, one of which is killed. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import postgres from 'postgres'
import { afterAll, afterEach, beforeAll, describe, expect, inject, test, vi } from 'vitest'
import { baseConfig, basic, createDatabase, decode, docs } from './harness.js'

const main = fileURLToPath(new URL('../dist/main.js', import.meta.url))

// A process takes its seconds to start, and more on a busy machine.
vi.setConfig({ testTimeout: 120_000 })
const patience = { timeout: 60_000, interval: 100 }

const folder = mkdtempSync(join(tmpdir(), 'behalf-workers-'))
const configPath = join(folder, 'behalf.config.json')
const config = {
  ...baseConfig,
  rate_limits: { failed_authentications_per_minute: { client_and_address: 4 } },
}
writeFileSync(configPath, JSON.stringify(config))

const children = new Set<ChildProcess>()
afterEach(() => {
  // Its workers end with the primary.
  for (const child of children) child.kill('SIGKILL')
  children.clear()
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

type Env = Record<string, string | undefined>

const launch = (env: Env) => {
  const child = spawn(process.execPath, [main], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: process.env.PATH,
      PORT: '0',
      WORKERS: '3',
      BEHALF_CONFIG: configPath,
      BEHALF_SECRET: 'a secret of at least 32 characters, for tests only',
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
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
  return { child, output, ended }
}

interface Line {
  worker?: number
  pid: number
  msg: string
  reason?: string
  workerPids?: number[]
  workerPid?: number
}

const linesOf = (stderr: string): Line[] =>
  stderr
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line))

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
  const log = () => linesOf(output.stderr)
  const replaced = (): Promise<void> =>
    expect.poll(() => log().map(({ msg }) => msg), patience).toContain('a worker serves again')
  const pidsOf = () => log().flatMap(({ workerPids = [] }) => workerPids)
  await expect.poll(pidsOf, patience).toHaveLength(3)
  return { url, pids: pidsOf(), output, end, log, replaced }
}

/** Never 0, which is every process here. */
const kill = (pid: number | undefined): void => {
  if (!pid) throw new Error('there is no such worker')
  process.kill(pid, 'SIGKILL')
}

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

/** Each on a connection of its own, so that the workers take turns. */
const post = (url: string, clientId: string, fields: Record<string, string>, secret?: string) =>
  new Promise<{ status: number; body: Record<string, unknown> }>((resolve, reject) => {
    const headers = {
      authorization: basic(clientId, secret),
      'content-type': 'application/x-www-form-urlencoded',
    }
    const sending = request(url, { method: 'POST', headers, agent: new Agent() }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk) => {
        text += chunk
      })
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) }),
      )
      response.on('error', reject)
    })
    sending.on('error', reject)
    sending.end(new URLSearchParams(fields).toString())
  })

const credentials = { grant_type: 'client_credentials', resource: docs }

const expectRefusal = async (env: Env, line: RegExp): Promise<void> => {
  const { output, ended } = launch(env)
  expect(await ended).toBe(1)
  expect(output.stdout).toBe('')
  expect(output.stderr.split('\n').filter(Boolean)).toEqual([expect.stringMatching(line)])
}

describe('it does not start', () => {
  test.each(['0', '1.5', '257', 'many'])('with WORKERS=%j', async (WORKERS) => {
    const DATABASE_URL = 'postgres://postgres@127.0.0.1:1/none'
    await expectRefusal({ WORKERS, DATABASE_URL }, /^behalf: WORKERS: must be auto, or a number/)
  })

  test.each([
    ['2', 'memory:'],
    ['2', 'pglite:./data'],
    ['auto', 'memory:'],
  ])('with WORKERS=%s on %s, which is of one process', async (WORKERS, DATABASE_URL) => {
    await expectRefusal({ WORKERS, DATABASE_URL }, /^behalf: WORKERS: PGlite .* need PostgreSQL/)
  })

  test('when the database is away', async () => {
    const DATABASE_URL = 'postgres://postgres@127.0.0.1:1/none'
    await expectRefusal({ DATABASE_URL }, /^behalf: DATABASE_URL: the database does not answer/)
  })
})

describe.runIf(inject('postgresUrl'))('on PostgreSQL', () => {
  let database: Awaited<ReturnType<typeof createDatabase>>
  let sql: postgres.Sql
  let env: Env
  beforeAll(async () => {
    database = await createDatabase()
    env = { DATABASE_URL: database.url }
    sql = postgres(database.url, { max: 1 })
  })
  afterAll(async () => {
    await sql.end()
    await database.drop()
  })

  const stored = async (tokens: readonly string[]): Promise<number> => {
    const ids = tokens.map((token) => String(decode(token).jti))
    const [row] = await sql`select count(*)::int as n from issuances where jti = any(${ids})`
    return Number(row?.n)
  }

  test('a port that is taken ends it with the words that one process has for it', async () => {
    const other = createServer()
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
    const { port } = other.address() as AddressInfo
    await expectRefusal({ ...env, PORT: String(port) }, new RegExp(`^behalf: PORT: ${port} is tak`))
    other.close()
  })

  test('one of them is killed under load: it is replaced, and no token that was given is lost', async () => {
    const server = await start(env)
    const tokens: string[] = []
    let failures = 0
    let isOver = false
    const ask = async (): Promise<void> => {
      while (!isOver) {
        const answer = await post(`${server.url}/token`, 'orchestrator', credentials).catch(
          () => {},
        )
        if (answer?.status === 200) tokens.push(String(answer.body.access_token))
        else failures += 1
      }
    }
    const asking = Array.from({ length: 6 }, ask)
    await expect.poll(() => tokens.length, patience).toBeGreaterThan(60)
    const [victim] = server.pids
    kill(victim)
    const served = tokens.length
    await server.replaced()
    await expect.poll(() => tokens.length, patience).toBeGreaterThan(served + 60)
    isOver = true
    await Promise.all(asking)

    expect(server.log().find(({ msg }) => msg.startsWith('a worker has ended'))).toMatchObject({
      signal: 'SIGKILL',
      worker: 1,
      workerPid: victim,
    })
    expect(server.pids.filter(isAlive)).toEqual(server.pids.slice(1))
    // Those that the killed one had in its hands, at most.
    expect(failures).toBeLessThanOrEqual(6)
    expect(await stored(tokens)).toBe(tokens.length)
    expect(server.output.stdout).toBe(`listening on ${server.url}\n`)
    expect(await server.end('SIGTERM')).toBe(0)
  })

  test('all of them answer as one issuer with one key, and count wrong secrets together', async () => {
    const server = await start({ ...env, LOG_LEVEL: 'info' })
    const tokens = await Promise.all(
      Array.from({ length: 12 }, async () => {
        const { body } = await post(`${server.url}/token`, 'orchestrator', credentials)
        return String(body.access_token)
      }),
    )
    expect(new Set(tokens.map((token) => decode(token).iss))).toEqual(new Set([server.url]))
    expect(new Set(tokens.map((token) => token.split('.')[0])).size).toBe(1)

    // Each lets 4 through; so would three that do not hear from each other let 12.
    const guess = () => post(`${server.url}/token`, 'researcher', credentials, 'wrong')
    const refusalsOf = (slot: number): number =>
      server.log().filter(({ worker, reason }) => worker === slot && reason !== undefined).length
    let looked = 0
    const guessAtAll = async (): Promise<number> => {
      const answers = await Promise.all(Array.from({ length: 6 }, guess))
      looked += answers.filter(({ status }) => status !== 429).length
      return Math.min(...[1, 2, 3].map(refusalsOf))
    }
    await expect.poll(guessAtAll, { ...patience, interval: 250 }).toBeGreaterThanOrEqual(6)
    expect(looked).toBeGreaterThanOrEqual(4)
    expect(looked).toBeLessThan(12)

    const named = server.log().filter(({ worker }) => worker !== undefined)
    expect(new Set(named.map(({ pid }) => pid)).size).toBe(3)
    expect(await server.end('SIGINT')).toBe(0)
  })

  test('what is under way is answered before it ends', async () => {
    const server = await start(env)
    const answers = Array.from({ length: 30 }, () =>
      post(`${server.url}/token`, 'orchestrator', credentials),
    )
    await answers[0]
    const ended = server.end('SIGTERM')
    const given = await Promise.allSettled(answers)
    const tokens = given.flatMap((one) =>
      one.status === 'fulfilled' && one.value.status === 200
        ? [String(one.value.body.access_token)]
        : [],
    )
    expect(tokens.length).toBeGreaterThan(0)
    expect(await stored(tokens)).toBe(tokens.length)
    expect(await ended).toBe(0)
    expect(server.pids.filter(isAlive)).toEqual([])
  })

  test('the configuration that they serve is that of the start, whoever is replaced', async () => {
    const own = join(folder, 'changing.json')
    writeFileSync(own, JSON.stringify(config))
    const server = await start({ ...env, BEHALF_CONFIG: own })
    writeFileSync(own, '{ half a file')
    kill(server.pids[1])
    await server.replaced()
    for (let turn = 0; turn < 6; turn += 1) {
      expect((await post(`${server.url}/token`, 'orchestrator', credentials)).status).toBe(200)
    }
  })

  test('they end when the primary is killed', async () => {
    const server = await start(env)
    expect(server.pids.filter(isAlive)).toHaveLength(3)
    await server.end('SIGKILL')
    await expect.poll(() => server.pids.filter(isAlive), patience).toEqual([])
  })
})
