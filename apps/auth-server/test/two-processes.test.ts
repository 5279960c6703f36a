/** Two server processes on one database, as in production: what one acknowledges binds the other. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createVerifier } from '@behalf/verifier'
import postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { baseConfig, basic, createDatabase, decode, docs } from './harness.js'

const main = fileURLToPath(new URL('../dist/main.js', import.meta.url))
const issuer = 'https://auth.example'
const folder = mkdtempSync(join(tmpdir(), 'behalf-two-processes-'))
const configPath = join(folder, 'behalf.config.json')
const children = new Set<ChildProcess>()

const start = async (databaseUrl: string): Promise<string> => {
  const child = spawn(process.execPath, [main], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'ignore'],
    env: {
      PATH: process.env.PATH,
      PORT: '0',
      DATABASE_URL: databaseUrl,
      BEHALF_CONFIG: configPath,
      BEHALF_ISSUER: issuer,
      BEHALF_SECRET: 'a secret of at least 32 characters, for tests only',
      LOG_LEVEL: 'silent',
    },
  })
  children.add(child)
  return new Promise((resolve, reject) => {
    child.stdout.on('data', (chunk) => {
      const url = /^listening on (\S+)\n/.exec(String(chunk))?.[1]
      if (url) resolve(url)
    })
    child.once('exit', (code) => reject(new Error(`a server ended with ${code}`)))
  })
}

const post = async (url: string, clientId: string, fields: Record<string, string>) => {
  const response = await fetch(url, {
    method: 'POST',
    headers: { Authorization: basic(clientId) },
    body: new URLSearchParams(fields),
  })
  const text = await response.text()
  return { status: response.status, body: text === '' ? {} : JSON.parse(text) }
}

const tokenType = 'urn:ietf:params:oauth:token-type:access_token'

const exchange = (
  url: string,
  clientId: string,
  token: string,
  more: Record<string, string> = {},
) =>
  post(`${url}/token`, clientId, {
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    subject_token: token,
    subject_token_type: tokenType,
    ...more,
  })

describe.runIf(inject('postgresUrl'))('two server processes', () => {
  let urls: string[] = []
  let database: Awaited<ReturnType<typeof createDatabase>>
  let sql: postgres.Sql

  beforeAll(async () => {
    writeFileSync(configPath, JSON.stringify(baseConfig))
    database = await createDatabase()
    urls = await Promise.all([start(database.url), start(database.url)])
    sql = postgres(database.url, { max: 2, onnotice: () => {} })
  }, 120_000)
  afterAll(async () => {
    for (const child of children) child.kill('SIGKILL')
    await sql?.end()
    await database?.drop()
    rmSync(folder, { recursive: true, force: true })
  })
  const at = (index: number): string => urls[index % urls.length] ?? ''

  /** The authorization server as verifiers reach it: behind one name, either process answers. */
  let turn = 0
  const throughEither = ((input: string, init?: RequestInit) => {
    turn += 1
    return fetch(String(input).replace(issuer, at(turn)), init)
  }) as typeof fetch

  const accepted = async (): Promise<string> => {
    const credentials = { grant_type: 'client_credentials', resource: docs }
    const own = await post(`${at(0)}/token`, 'orchestrator', credentials)
    const more = { requested_actor: 'researcher', scope: 'docs:read' }
    const handOff = await exchange(at(0), 'orchestrator', own.body.access_token, more)
    const token = await exchange(at(1), 'researcher', handOff.body.access_token)
    expect(token.status).toBe(200)
    return token.body.access_token
  }

  test('a thousand exchanges race one revocation, and nothing survives it', async () => {
    const parent = await accepted()
    const verifier = createVerifier({ issuer, audience: docs, fetch: throughEither })
    await expect(verifier.verify(parent)).resolves.toMatchObject({ actor: 'researcher' })
    const minted: string[] = []
    const refused = new Set<string>()
    let acknowledged = false
    let lateTokens = 0

    const exchangeOnce = async (index: number): Promise<void> => {
      const isLate = acknowledged
      const { status, body } = await exchange(at(index), 'researcher', parent)
      if (status === 200) minted.push(body.access_token)
      else refused.add(body.error_detail)
      if (isLate && status === 200) lateTokens += 1
    }
    let next = 0
    const worker = async (): Promise<void> => {
      while (next < 1000) {
        next += 1
        await exchangeOnce(next)
      }
    }
    const revoke = async (): Promise<void> => {
      while (minted.length < 100) await new Promise((resolve) => setImmediate(resolve))
      const answer = await post(`${at(0)}/revoke`, 'researcher', { token: parent })
      expect(answer.status).toBe(200)
      acknowledged = true
    }
    await Promise.all([revoke(), ...Array.from({ length: 64 }, worker)])

    expect(minted.length).toBeGreaterThanOrEqual(100)
    expect(lateTokens).toBe(0)
    expect([...refused].toSorted()).toEqual(expect.arrayContaining(['subject_token_revoked']))
    const revoked = (decode(parent).agent_lineage as string[]).at(-1) ?? ''
    const late = await sql`
      select count(*)::int as n from delegations child
      join delegations parent on parent.id = child.parent_id
      where parent.id = ${revoked} and child.created_at > parent.revoked_at + interval '1 second'`
    expect(late[0]?.n).toBe(0)
    // Within the bound, which the poll of the verifier reaches in about a second.
    await expect
      .poll(
        () =>
          verifier.verify(parent).then(
            () => 'alive',
            () => 'refused',
          ),
        { timeout: 10_000 },
      )
      .toBe('refused')
    const verdicts = await Promise.allSettled(minted.map((token) => verifier.verify(token)))
    expect(verdicts.every(({ status }) => status === 'rejected')).toBe(true)
    verifier.close()
  }, 120_000)

  test('a revocation that one has acknowledged is in every answer of the other', async () => {
    const missed: string[] = []
    for (let round = 0; round < 10; round += 1) {
      const token = await accepted()
      const revoked = (decode(token).agent_lineage as string[]).at(-1) ?? ''
      await post(`${at(round)}/revoke`, 'researcher', { token })
      const feed = await (await fetch(`${at(round + 1)}/revocations`)).text()
      const { revoked: list } = decode(feed) as { revoked: { id: string }[] }
      if (!list.some(({ id }) => id === revoked)) missed.push(revoked)
    }
    expect(missed).toEqual([])
  }, 60_000)

  test('a thousand charges at once through both spend a tree of three levels to the last cent', async () => {
    const lend = async (from: string, to: string, token: string, usd: string) => {
      const limits = { agent_limits: `{"cost_budget_usd":"${usd}"}`, scope: 'docs:read' }
      const handOff = await exchange(at(0), from, token, { requested_actor: to, ...limits })
      const taken = await exchange(at(1), to, handOff.body.access_token)
      expect(taken.status).toBe(200)
      return taken.body.access_token
    }
    const credentials = { grant_type: 'client_credentials', resource: docs }
    const root = (await post(`${at(0)}/token`, 'orchestrator', credentials)).body.access_token
    const parent = await lend('orchestrator', 'researcher', root, '5')
    const child = await lend('researcher', 'scraper', parent, '2')
    const reserve = async (index: number): Promise<number> => {
      const response = await fetch(`${at(index)}/ledger/reservations`, {
        method: 'POST',
        headers: {
          Authorization: basic('docs-server'),
          'Content-Type': 'application/json',
          'Idempotency-Key': `two-processes-${index}`,
        },
        body: JSON.stringify({
          token: index % 4 < 2 ? parent : child,
          amount_usd: '0.10',
          action: 'docs.read',
        }),
      })
      await response.arrayBuffer()
      return response.status
    }
    const statuses = await Promise.all(Array.from({ length: 1000 }, (_, index) => reserve(index)))
    expect(statuses.filter((status) => status === 201)).toHaveLength(50)
    expect(statuses.filter((status) => status === 402)).toHaveLength(950)
    const [deadlocks] = await sql`
      select deadlocks::int as n from pg_stat_database where datname = current_database()`
    expect(deadlocks?.n).toBe(0)
  }, 60_000)
})
