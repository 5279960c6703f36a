/** Two servers on one database, somebody to charge, and the checks that end every scenario. */
import { expect } from 'vitest'
import { baseConfig, basic, decode, docs } from '../harness.js'
import { configWith } from '../ledger-fixtures.js'
import { type Acknowledgements, createAcknowledgements } from './acknowledgements.js'
import type { Load, Target } from './attempts.js'
import { type Books, openBooks } from './books.js'
import { startObserver } from './observer.js'
import { disagreements } from './reconcile.js'
import { type Random, sleep } from './seeded.js'
import { createMachine, surprises } from './server-process.js'

/** Caps high enough for hundreds of rounds; each round has a small one of its own. */
const clients = configWith({
  tenants: { acme: { limits: { cost_budget_usd: 100_000 } } },
  clients: {
    orchestrator: { agent_limits: { cost_budget_usd: 10_000, max_delegation_depth: 3 } },
    researcher: { agent_limits: { cost_budget_usd: 10_000 } },
  },
})
export const crashConfig = {
  ...clients,
  delegation_bounds: { max_children: 100_000, max_children_per_minute: 100_000 },
  delegation_rules: [
    { from: 'orchestrator', to: 'researcher', cost_budget_usd: 1000, max_delegation_depth: 1 },
    ...baseConfig.delegation_rules.slice(1),
  ],
}

const tokenExchange = 'urn:ietf:params:oauth:grant-type:token-exchange'
const tokenType = 'urn:ietf:params:oauth:token-type:access_token'

const tokenOf = async (url: string, clientId: string, fields: Record<string, string>) => {
  const response = await fetch(`${url}/token`, {
    method: 'POST',
    headers: { Authorization: basic(clientId) },
    body: new URLSearchParams(fields),
  })
  const body = (await response.json()) as { access_token: string }
  if (response.status !== 200) throw new Error(`${response.status}: ${JSON.stringify(body)}`)
  return body.access_token
}

const exchange = (
  url: string,
  clientId: string,
  token: string,
  more: Record<string, string> = {},
) =>
  tokenOf(url, clientId, {
    grant_type: tokenExchange,
    subject_token: token,
    subject_token_type: tokenType,
    ...more,
  })

/** A researcher with a budget of its own below the orchestrator's. */
export const lend = async (url: string, usd: string): Promise<Target> => {
  const own = { grant_type: 'client_credentials', resource: docs }
  const parent = await tokenOf(url, 'orchestrator', own)
  const handOff = await exchange(url, 'orchestrator', parent, {
    requested_actor: 'researcher',
    scope: 'docs:read',
    agent_limits: JSON.stringify({ cost_budget_usd: usd }),
  })
  const token = await exchange(url, 'researcher', handOff)
  return { token, delegationId: String((decode(token).agent_lineage as string[]).at(-1)) }
}

const checkRound = async (
  log: Acknowledgements,
  books: Books,
  targets: readonly Target[],
): Promise<void> => {
  const ids = targets.map(({ delegationId }) => delegationId)
  expect(log.findings).toEqual([])
  expect(await disagreements(log, books, ids)).toEqual([])
  expect(await books.problems()).toEqual([])
}

/** The longest ttl of what is forgotten here, the grace of a lease, and a busy machine. */
const patience = 60_000

/** @throws Error when money stays held that nobody holds any more */
const untilNothingIsHeld = async (books: Books): Promise<void> => {
  const begun = performance.now()
  while ((await books.held()) > 0n) {
    if (performance.now() - begun > patience) throw new Error('money is held for ever')
    await sleep(100)
  }
}

export interface SceneOptions {
  databaseUrl: string
  random: Random
  issuer?: string
}

export const openScene = async ({ databaseUrl, random, issuer }: SceneOptions) => {
  const machine = createMachine({
    databaseUrl,
    issuer: issuer ?? 'https://auth.example',
    config: crashConfig,
  })
  const servers = [machine.createServer(), machine.createServer()]
  await Promise.all(servers.map((server) => server.start()))
  const books = openBooks(databaseUrl)
  const log = createAcknowledgements()
  const observer = startObserver(books)

  /** Either server, if one is up. */
  const reachable = (choice: Random): string | undefined => {
    const up = servers.filter(({ isUp }) => isUp)
    return up.length === 0 ? undefined : choice.pick(up).url
  }
  /** @throws Error when one has ended by itself: there is no need to go on then */
  const address = (choice: Random): string | undefined => {
    for (const { problem } of servers) if (problem !== undefined) throw new Error(problem)
    return reachable(choice)
  }
  const url = (): string => {
    const found = address(random)
    if (found === undefined) throw new Error('no server is up')
    return found
  }

  return {
    servers,
    books,
    log,
    reachable,
    url,
    /** Charges on delegations that were not there before, so that each round has a cap to meet. */
    createLoad: async (caps: readonly string[]): Promise<Load> => {
      const targets = await Promise.all(caps.map((cap) => lend(url(), cap)))
      return { random: random.fork(), log, targets, address }
    },
    /** Every server answers again. */
    untilReady: async (): Promise<void> => {
      for (const server of servers) {
        await expect
          .poll(async () => (await fetch(`${server.url}/readyz`)).status, { timeout: patience })
          .toBe(200)
      }
    },
    untilNothingIsHeld: () => untilNothingIsHeld(books),
    check: ({ targets }: Pick<Load, 'targets'>) => checkRound(log, books, targets),
    /** Waits until what was forgotten has expired, then checks everything there ever was. */
    checkAll: async (): Promise<void> => {
      await untilNothingIsHeld(books)
      const delegationIds = [...new Set(log.of().map(({ delegationId }) => delegationId))]
      expect(log.inDoubt()).toEqual([])
      expect(await disagreements(log, books, delegationIds)).toEqual([])
      expect(await books.problems()).toEqual([])
    },
    /** @param after what has to be closed next, whatever the last checks say */
    close: async (...after: (() => Promise<void>)[]): Promise<{ looks: number }> => {
      const { findings, looks } = await observer.stop()
      await books.close()
      await machine.close()
      for (const close of after) await close()
      expect(findings).toEqual([])
      expect(log.findings).toEqual([])
      expect(surprises(servers)).toEqual([])
      return { looks }
    },
  }
}

export type Scene = Awaited<ReturnType<typeof openScene>>
