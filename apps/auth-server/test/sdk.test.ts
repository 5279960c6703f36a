/** Client, verifier and server in one process: what an agent's developer and an API's developer see. */
import { createAgent, type DelegatedToken } from '@behalf/client'
import { createVerifier, type Verifier } from '@behalf/verifier'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { decode, docs, issuer, mail, openTestServer, secretOf, type TestServer } from './harness.js'

let server: TestServer
beforeAll(async () => {
  server = await openTestServer()
})
afterAll(() => server.close())

const now = (): number => server.clock.now().getTime()

/** Counts what goes to the server, by path. */
const countingFetch = () => {
  const paths: string[] = []
  const fetch = (input: string | URL | Request, init?: RequestInit) => {
    const request = new Request(input, init)
    paths.push(new URL(request.url).pathname)
    return server.fetch(request)
  }
  return { fetch, count: (path: string) => paths.filter((one) => one === path).length, paths }
}

const agentOf = (clientId: string, fetch: typeof server.fetch | undefined = server.fetch) =>
  createAgent({ issuer, clientId, clientSecret: secretOf(clientId), resource: docs, fetch, now })

const delegated = async (limits?: object): Promise<DelegatedToken> => {
  const handOff = await agentOf('orchestrator').delegate({
    to: 'researcher',
    scope: 'docs:read',
    ...(limits && { limits }),
  })
  return agentOf('researcher').accept(handOff.text)
}

describe('an agent', () => {
  test('asks for a token once and keeps it until shortly before it expires', async () => {
    const wire = countingFetch()
    const agent = agentOf('orchestrator', wire.fetch as typeof fetch)
    const tokens = await Promise.all([agent.token(), agent.token(), agent.token()])
    expect(new Set(tokens.map(({ accessToken }) => accessToken)).size).toBe(1)
    expect((await agent.token()).accessToken).toBe(tokens[0]?.accessToken)
    expect(wire.count('/token')).toBe(1)
    expect((await agent.token({ resource: mail })).resource).toBe(mail)
    expect(wire.count('/token')).toBe(2)
    server.clock.advance(899)
    expect((await agent.token()).accessToken).not.toBe(tokens[0]?.accessToken)
    expect(wire.count('/token')).toBe(3)
  })

  test('delegates, and the other accepts: both are named, with less authority', async () => {
    const handOff = await agentOf('orchestrator').delegate({
      to: 'researcher',
      scope: 'docs:read',
      limits: { cost_budget_usd: '0.08' },
    })
    expect(handOff).toMatchObject({ to: 'researcher', limits: { cost_budget_usd: 0.08 } })
    expect(JSON.stringify({ task: 'read', handOff })).toContain(handOff.text)
    const token = await agentOf('researcher').accept(handOff)
    expect(token).toMatchObject({
      subject: 'orchestrator',
      actor: 'researcher',
      scope: ['docs:read'],
      audience: [docs],
      limits: { cost_budget_usd: 0.08, max_delegation_depth: 1 },
      delegationId: handOff.delegationId,
    })
    expect(JSON.stringify(token)).not.toContain(token.accessToken)
  })

  test('accepts again when the token runs out, in the same delegation, until the hand-off ends', async () => {
    const token = await delegated()
    const first = token.accessToken
    server.clock.advance(299)
    const second = await token.token()
    expect(second.accessToken).not.toBe(first)
    expect(second.delegationId).toBe(token.delegationId)
    expect(decode(second.accessToken).agent_lineage).toEqual(decode(first).agent_lineage)
    server.clock.advance(601)
    await expect(token.token()).rejects.toMatchObject({ reason: 'delegation_ended' })
  })

  test('cannot accept what names another, nor lend where no rule lets it', async () => {
    const handOff = await agentOf('orchestrator').delegate({ to: 'researcher' })
    await expect(agentOf('scraper').accept(handOff.text)).rejects.toMatchObject({
      code: 'invalid_request',
      reason: 'may_act_mismatch',
    })
    await expect(agentOf('orchestrator').delegate({ to: 'scraper' })).rejects.toMatchObject({
      code: 'access_denied',
      reason: 'delegation_not_permitted',
      hint: expect.stringContaining('delegation rule'),
    })
  })

  test('exchanges in every shape: narrow, hand on, pull and push', async () => {
    const token = await delegated()
    const researcher = agentOf('researcher')
    const narrowed = await researcher.exchange({
      subjectToken: token,
      limits: { cost_budget_usd: 1 },
    })
    expect(narrowed).toMatchObject({ actor: 'researcher', limits: { cost_budget_usd: 1 } })

    const handedOn = await researcher.delegate({ to: 'scraper', token })
    const accepted = await agentOf('scraper').accept(handedOn.text)
    expect(accepted.chain.map(({ sub }) => sub)).toEqual(['scraper', 'researcher'])

    const pulled = await agentOf('docs-server').exchange({ subjectToken: token.accessToken })
    expect(pulled.chain.map(({ sub }) => sub)).toEqual(['docs-server', 'researcher'])

    const actorToken = await agentOf('scraper').token({ resource: issuer })
    const pushed = await researcher.exchange({ subjectToken: token, actorToken })
    expect(pulled.subject).toBe(pushed.subject)
    expect(pushed.chain.map(({ sub }) => sub)).toEqual(['scraper', 'researcher'])
  })

  test('takes back what it lent, and gets a new token of its own after revoking that', async () => {
    const orchestrator = agentOf('orchestrator')
    const handOff = await orchestrator.delegate({ to: 'researcher' })
    const token = await agentOf('researcher').accept(handOff)
    await orchestrator.revoke(handOff)
    expect((await server.introspect('docs-server', token.accessToken)).body.active).toBe(false)
    const own = await orchestrator.token()
    await orchestrator.revoke(own)
    const fresh = await orchestrator.token()
    expect(fresh.accessToken).not.toBe(own.accessToken)
    const introspected = await server.introspect('docs-server', fresh.accessToken)
    expect(introspected.body.active).toBe(true)
  })

  test('delegates with a new token when the one that it kept was revoked elsewhere', async () => {
    const orchestrator = agentOf('orchestrator')
    await server.revoke('orchestrator', (await orchestrator.token()).accessToken)
    expect(await orchestrator.delegate({ to: 'researcher' })).toMatchObject({ to: 'researcher' })
  })
})

describe('a resource server', () => {
  const withVerifier = async (
    run: (verifier: Verifier, wire: ReturnType<typeof countingFetch>) => Promise<void>,
    options: object = {},
  ): Promise<void> => {
    const wire = countingFetch()
    const verifier = createVerifier({
      issuer,
      audience: docs,
      budget: { clientId: 'docs-server', clientSecret: secretOf('docs-server') },
      fetch: wire.fetch,
      now,
      // Only when it must: the clock of these tests stands still.
      pollSeconds: 1_000_000,
      ...options,
    })
    try {
      await run(verifier, wire)
    } finally {
      await verifier.close()
    }
  }

  test('verifies offline: keys and the list of revocations are all that it asks for', () =>
    withVerifier(async (verifier, wire) => {
      const token = await delegated()
      for (let turn = 0; turn < 5; turn += 1) {
        const request = new Request(docs, {
          headers: { Authorization: `Bearer ${token.accessToken}` },
        })
        // What is counted is borrowed from the ledger.
        const options = { requireScope: 'docs:read', countRequest: false }
        const caller = await verifier.verify(request, options)
        expect(caller).toMatchObject({
          subject: 'orchestrator',
          actor: 'researcher',
          tenantId: 'acme',
          role: 'agent',
          agentType: 'researcher',
          scope: ['docs:read'],
        })
      }
      expect(wire.paths.toSorted()).toEqual([
        '/.well-known/oauth-authorization-server',
        '/jwks',
        '/revocations',
      ])
    }))

  test('refuses a hand-off, a token for elsewhere and one with too little scope', () =>
    withVerifier(async (verifier) => {
      const orchestrator = agentOf('orchestrator')
      const handOff = await server.exchange(
        'orchestrator',
        (await orchestrator.token()).accessToken,
        { requested_actor: 'researcher' },
      )
      await expect(verifier.verify(handOff.body.access_token)).rejects.toMatchObject({
        status: 401,
      })
      const { accessToken } = await orchestrator.token({ resource: mail })
      await expect(verifier.verify(accessToken)).rejects.toMatchObject({ status: 401 })
      const token = await delegated()
      const writing = verifier.verify(token.accessToken, { requireScope: 'docs:write' })
      await expect(writing).rejects.toMatchObject({ status: 403, code: 'insufficient_scope' })
    }))

  test.each(['itself', 'what it hangs from'])(
    'refuses a token within its bound after a revocation of %s',
    (what) =>
      withVerifier(async (verifier) => {
        const token = await delegated()
        const sibling = await delegated()
        await verifier.verify(token.accessToken)
        if (what === 'itself') await agentOf('researcher').revoke(token)
        else
          await server.deps.store.revocations.revoke(
            { delegation_id: token.lineage[0] ?? '' },
            'test',
            server.clock.now(),
          )
        server.clock.advance(11)
        await expect(verifier.verify(token.accessToken)).rejects.toMatchObject({
          code: 'invalid_token',
          reason: 'token_revoked',
        })
        const other = verifier.verify(sibling.accessToken)
        if (what === 'itself') expect((await other).actor).toBe('researcher')
        else await expect(other).rejects.toMatchObject({ reason: 'token_revoked' })
      }),
  )

  test('learns of later revocations by deltas after its cursor', () =>
    withVerifier(async (verifier) => {
      for (let turn = 0; turn < 3; turn += 1) {
        const token = await delegated()
        await verifier.verify(token.accessToken)
        await agentOf('researcher').revoke(token)
        server.clock.advance(11)
        await expect(verifier.verify(token.accessToken)).rejects.toMatchObject({
          reason: 'token_revoked',
        })
      }
    }))

  test('charges what an action cost, gives back what failed, and says so', () =>
    withVerifier(async (verifier) => {
      const caller = await verifier.verify((await delegated()).accessToken)
      const charge = { action: 'docs.summarize', cost: '0.04' }
      const { result, receipt } = await verifier.chargeWithReceipt(caller, charge, ({ settle }) => {
        settle('0.0127')
        return 'a summary'
      })
      expect(result).toBe('a summary')
      expect(receipt).toMatchObject({
        cost: 12_700n,
        remaining: 4_987_300n,
        headers: { 'Agent-Budget': 'cost=12700; remaining=4987300; unit="USD"; decimals=6' },
      })
      const failing = verifier.charge(caller, charge, () => {
        throw new Error('the model was away')
      })
      await expect(failing).rejects.toThrow('the model was away')
      await verifier.flush()
      const { body } = await server.introspect('docs-server', caller.token)
      expect(body.agent_budget).toMatchObject({
        spent_usd: '0.0127',
        held_usd: '0',
        remaining_usd: '4.9873',
      })
    }))

  test('lets exactly two of ten paid calls through on a budget for two', () =>
    withVerifier(async (verifier) => {
      const caller = await verifier.verify(
        (await delegated({ cost_budget_usd: '0.08' })).accessToken,
      )
      let ran = 0
      const calls = Array.from({ length: 10 }, () =>
        verifier.charge(caller, { action: 'docs.summarize', cost: '0.04' }, () => {
          ran += 1
        }),
      )
      const outcomes = await Promise.allSettled(calls)
      const refused = outcomes.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []))
      expect([ran, refused.length]).toEqual([2, 8])
      for (const error of refused) {
        expect(error).toMatchObject({
          code: 'budget_exhausted',
          status: 402,
          details: { required: '0.04', remaining: '0' },
        })
      }
    }))

  test('refuses a charge that the limits rule out, and one that it cannot enforce', async () => {
    const token = (await delegated()).accessToken
    await withVerifier(async (verifier) => {
      const caller = await verifier.verify(token)
      const outside = verifier.charge(caller, { action: 'billing.pay', cost: '0.01' }, () => {})
      await expect(outside).rejects.toMatchObject({ code: 'action_not_allowed', status: 403 })
    })
    await withVerifier(
      async (verifier) => {
        const caller = await verifier.verify(token)
        const blind = verifier.charge(caller, { action: 'docs.read', cost: '0.01' }, () => {})
        await expect(blind).rejects.toMatchObject({ reason: 'ledger_not_configured' })
      },
      { budget: undefined, logger: { warn: () => {}, error: () => {} } },
    )
  })
})
