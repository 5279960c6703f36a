/** Guessing at the token endpoint: what it tells, and whom it holds up. */
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { createMachine } from '../crash/server-process.js'
import { agent, baseConfig, basic, createDatabase, docs, secretOf } from '../harness.js'
import { atRate, likelihoodOfChance, quantile, type Timed } from './pace.js'
import { cpuSeconds, openBareServer } from './process-figures.js'

const issuer = 'https://auth.example'
const wrong = 'a wrong secret of 32 characters.'

const config = {
  ...baseConfig,
  clients: [
    ...baseConfig.clients,
    agent('conf', { resources: [docs] }),
    agent('conf2', { resources: [docs] }),
  ],
}

const headersOf = (clientId: string, secret: string, address?: string) => ({
  Authorization: basic(clientId, secret),
  ...(address !== undefined && { 'X-Forwarded-For': address }),
})

const openServer = async (more: object) => {
  const database = await createDatabase()
  const machine = createMachine({
    databaseUrl: database.url,
    issuer,
    config: { ...config, ...more },
  })
  const server = machine.createServer()
  await server.start()
  const send = (headers: Record<string, string>): Promise<Response> =>
    fetch(`${server.url}/token`, {
      method: 'POST',
      headers,
      body: new URLSearchParams({ grant_type: 'client_credentials' }),
    })
  /** A connection that was idle may have ended while this process was too busy to hear of it. */
  const ask = (headers: Record<string, string>): Promise<Response> =>
    send(headers).catch(() => send(headers))
  const close = async (): Promise<void> => {
    await machine.close()
    await database.drop()
  }
  return { server, ask, close }
}

type Opened = Awaited<ReturnType<typeof openServer>>

describe.runIf(inject('postgresUrl'))('a client that does not exist', () => {
  const samples = 400
  let opened: Opened
  beforeAll(async () => {
    const most = 1_000_000_000
    const rate_limits = {
      failed_authentications_per_minute: { client_and_address: most, address: most },
    }
    opened = await openServer({ rate_limits })
  })
  afterAll(() => opened.close())

  /** One wrong secret. How long it took, and all of the answer but when it was given. */
  const guess = async (clientId: string) => {
    const startedAt = performance.now()
    const response = await opened.ask(headersOf(clientId, wrong))
    const body = await response.text()
    const tookMs = performance.now() - startedAt
    const headers = [...response.headers].filter(([name]) => name !== 'date')
    return { tookMs, answer: JSON.stringify([response.status, headers, body]) }
  }

  test('cannot be told from one with another secret, by the answer or by the time', async () => {
    const names = ['conf', 'ghost'] as const
    for (let round = 0; round < 50; round += 1) for (const name of names) await guess(name)
    const times = { conf: [] as number[], ghost: [] as number[] }
    const answers = new Set<string>()
    for (let round = 0; round < samples; round += 1) {
      // In turn, so that whatever else goes on here meets both.
      for (const name of round % 2 === 0 ? names : names.toReversed()) {
        const { tookMs, answer } = await guess(name)
        times[name].push(tookMs)
        answers.add(answer)
      }
    }
    expect([...answers]).toHaveLength(1)
    expect([...answers][0]).toContain('invalid_client')
    const apart = Math.abs(quantile(times.conf, 0.5) - quantile(times.ghost, 0.5))
    const chance = likelihoodOfChance(times.conf, times.ghost)
    console.log(`medians ${apart.toFixed(3)} ms apart, p = ${chance.toFixed(3)}`)
    expect(apart < 1 || chance > 0.01).toBe(true)
  })
})

const tookOf = (all: readonly Timed<unknown>[]): number[] => all.map(({ tookMs }) => tookMs)

describe.runIf(inject('postgresUrl'))('a flood of wrong secrets', () => {
  const seconds = 20
  const maxMs = 250
  const idleMs = 50
  type Case = [where: string, config: object, attacker?: string, honest?: string]
  const proxied = { people: { address_header: 'x-forwarded-for' } }
  const cases: Case[] = [
    ['where addresses are not known', {}],
    ['from one address', proxied, '203.0.113.9', '198.51.100.7'],
  ]
  test.each(cases)(
    'is sent away soon, and holds up nobody: %s',
    async (_, more, attacker, honest) => {
      const { server, ask, close } = await openServer(more)
      const bare = await openBareServer()
      const guess = async () => {
        const response = await ask(headersOf('conf', wrong, attacker))
        await response.arrayBuffer()
        return { status: response.status, retryAfter: response.headers.get('retry-after') }
      }
      // Somebody else, and the very client whose secret is guessed.
      const serve = async (index: number) => {
        const clientId = index % 2 === 0 ? 'conf2' : 'conf'
        const response = await ask(headersOf(clientId, secretOf(clientId), honest))
        await response.arrayBuffer()
        return response.status
      }
      try {
        await atRate(50, 2, serve)
        const cpuBefore = cpuSeconds(server.pid)
        const [flood, served, answered] = await Promise.all([
          atRate(200, seconds, guess),
          atRate(50, seconds, serve),
          atRate(50, seconds, bare.ask),
        ])
        const cpu = cpuSeconds(server.pid) - cpuBefore
        const sentAway = flood.filter(({ result }) => result.status === 429)
        const firstMs = Math.min(...sentAway.map(({ atMs }) => atMs))
        const p99 = quantile(tookOf(served), 0.99)
        const bareP99 = quantile(tookOf(answered), 0.99)
        console.log(
          `${sentAway.length} of ${flood.length} sent away, the first after ${firstMs.toFixed()} ms; honest:`,
          `p50 ${quantile(tookOf(served), 0.5).toFixed(1)} ms, p99 ${p99.toFixed(1)} ms, a bare server ${bareP99.toFixed(1)} ms;`,
          `the server took ${cpu} s of CPU in ${seconds} s`,
        )
        expect(new Set(flood.map(({ result }) => result.status))).toEqual(new Set([401, 429]))
        expect(firstMs).toBeLessThan(5000)
        expect(sentAway.filter(({ result }) => !Number(result.retryAfter))).toEqual([])
        expect(new Set(served.map(({ result }) => result))).toEqual(new Set([200]))
        // Where a server that does nothing needs long, the machine is busy with something else.
        if (bareP99 < idleMs) expect(p99).toBeLessThan(maxMs)
        else console.log('the machine is too busy to say how long honest ones wait')
        expect([server.problem, server.log]).toEqual([undefined, []])
      } finally {
        bare.close()
        await close()
      }
    },
    180_000,
  )
})
