import { describe, expect, test } from 'vitest'
import { claimsOf, createWorld, issuer, json, metadata, refusal, resource } from './stub.js'

const exchangeType = 'urn:ietf:params:oauth:grant-type:token-exchange'
const tokenType = 'urn:ietf:params:oauth:token-type:access_token'

const createPair = (options?: { lifeSeconds?: number }) => {
  const world = createWorld(options)
  return { world, orchestrator: world.agent(), researcher: world.agent({ clientId: 'researcher' }) }
}

describe('delegate', () => {
  test('exchanges the agent’s own token for a hand-off to one named agent', async () => {
    const { world, orchestrator } = createPair()
    const limits = { cost_budget_usd: '0.50', allowed_actions: ['docs.*'] }
    const handOff = await orchestrator.delegate({
      to: 'researcher',
      scope: 'docs:read',
      resource,
      limits,
    })
    const form = Object.fromEntries(world.tokenCalls()[1]?.form ?? [])
    expect(form).toMatchObject({
      grant_type: exchangeType,
      subject_token_type: tokenType,
      requested_actor: 'researcher',
      resource,
      scope: 'docs:read',
    })
    expect(JSON.parse(form.agent_limits ?? '')).toEqual({
      cost_budget_usd: 0.5,
      allowed_actions: ['docs.*'],
    })
    expect(claimsOf(form.subject_token ?? '')).toMatchObject({ sub: 'orchestrator' })
    expect({ ...handOff }).toEqual({
      to: 'researcher',
      delegationId: 'dlg_2',
      lineage: ['dlg_1', 'dlg_2'],
      scope: ['docs:read'],
      resources: [resource],
      limits: { cost_budget_usd: 0.5, allowed_actions: ['docs.*'] },
      expiresAt: world.clock.seconds + 600,
    })
  })

  test.each([
    ['five minutes', 900, 601],
    ['half of its life', 200, 101],
  ])('lends from no own token with less than %s left', async (_, lifeSeconds, age) => {
    const { world, orchestrator } = createPair({ lifeSeconds })
    const lentFrom = () => world.tokenCalls().at(-1)?.form.get('subject_token')
    const { accessToken } = await orchestrator.token()
    world.clock.seconds += age - 1
    await orchestrator.delegate({ to: 'researcher' })
    expect(lentFrom()).toBe(accessToken)
    world.clock.seconds += 1
    await orchestrator.delegate({ to: 'researcher' })
    expect(lentFrom()).not.toBe(accessToken)
    expect(lentFrom()).toBe((await orchestrator.token()).accessToken)
  })

  test('lends from a dying own token all the same while the server gives no new one', async () => {
    const { world, orchestrator } = createPair({ lifeSeconds: 200 })
    const { accessToken } = await orchestrator.token()
    world.clock.seconds += 150
    world.on(metadata.token_endpoint, (_, body) => {
      const form = new URLSearchParams(body)
      if (form.get('grant_type') !== exchangeType) return new Response('busy', { status: 503 })
      const { sub } = claimsOf(form.get('subject_token') ?? '')
      return world.issue({ sub, aud: issuer, client_id: 'orchestrator' }, 'N_A')
    })
    await orchestrator.delegate({ to: 'researcher' })
    expect(world.tokenCalls().at(-1)?.form.get('subject_token')).toBe(accessToken)
  })

  test('says what was asked for and cut', async () => {
    const { world, orchestrator } = createPair()
    await orchestrator.token()
    const claims = {
      sub: 'orchestrator',
      aud: issuer,
      client_id: 'orchestrator',
      scope: 'docs:read',
    }
    const narrowed = { cost_budget_usd: { asked: 10, granted: 0.08 } }
    const agent_limits = { cost_budget_usd: 0.08 }
    world.on(metadata.token_endpoint, () =>
      world.issue({ ...claims, agent_limits }, 'N_A', 300, { agent_limits, narrowed }),
    )
    const handOff = await orchestrator.delegate({ to: 'researcher' })
    expect(handOff.narrowed).toEqual(narrowed)
    expect(handOff.describe()).toContain('docs:read, 0.08 USD (asked 10).')
    world.on(metadata.token_endpoint, () => world.issue(claims, 'N_A', 300, { narrowed: 'much' }))
    expect((await orchestrator.delegate({ to: 'researcher' })).narrowed).toBeUndefined()
  })

  test('gives text that fits in a message, a template and JSON', async () => {
    const { orchestrator } = createPair()
    const handOff = await orchestrator.delegate({ to: 'researcher' })
    expect(handOff.text).toMatch(/^behalf-handoff\.v1\.[A-Za-z0-9_-]+$/)
    expect(`${handOff}`).toBe(handOff.text)
    expect(JSON.parse(JSON.stringify({ handOff }))).toEqual({ handOff: handOff.text })
  })

  test('makes nothing of a bearer token where a hand-off was asked for', async () => {
    const { world, orchestrator } = createPair()
    await orchestrator.token()
    world.on(metadata.token_endpoint, () => world.issue({ sub: 'orchestrator', aud: resource }))
    const error = await refusal(orchestrator.delegate({ to: 'researcher' }))
    expect(error).toMatchObject({ reason: 'unexpected_token_type' })
  })

  test('tries once more with a new own token when the kept one is refused', async () => {
    const world = createWorld()
    const subjects: string[] = []
    const agent = world.agent({
      fetch: (input, init) => {
        const subject = new URLSearchParams(String(init?.body)).get('subject_token')
        if (subject) subjects.push(subject)
        if (!subject || subjects.length > 1) return world.fetch(input, init)
        return json({ error: 'invalid_request' }, 400)
      },
    })
    const { accessToken } = await agent.token()
    expect((await agent.delegate({ to: 'researcher' })).to).toBe('researcher')
    expect(subjects).toHaveLength(2)
    expect(subjects[0]).toBe(accessToken)
    expect(subjects[1]).not.toBe(accessToken)
  })

  test('does not try again after a refusal that a new token would not change', async () => {
    const { world, orchestrator } = createPair()
    await orchestrator.token()
    world.on(metadata.token_endpoint, () => json({ error: 'access_denied' }, 403))
    const error = await refusal(orchestrator.delegate({ to: 'researcher' }))
    expect(error).toMatchObject({ code: 'access_denied' })
    expect(world.tokenCalls()).toHaveLength(2)
  })
})

describe('accept', () => {
  test('takes the text and becomes the outermost actor', async () => {
    const { orchestrator, researcher } = createPair()
    const handOff = await orchestrator.delegate({ to: 'researcher', scope: 'docs:read' })
    const delegated = await researcher.accept(` ${handOff.text}\n`)
    expect(delegated).toMatchObject({
      subject: 'orchestrator',
      actor: 'researcher',
      lineage: ['dlg_1', 'dlg_2'],
      delegationId: 'dlg_2',
      scope: ['docs:read'],
      resource,
      limits: {},
    })
    expect(delegated.chain.map((actor) => actor.sub)).toEqual(['researcher'])
  })

  test('refuses what is malformed, cut, oversize or from another issuer, before any request', async () => {
    const { world, orchestrator, researcher } = createPair()
    const { text } = await orchestrator.delegate({ to: 'researcher' })
    const before = world.calls.length
    const encode = (value: unknown) => `behalf-handoff.v1.${btoa(JSON.stringify(value))}`
    const broken = [
      '',
      'hello',
      text.slice(0, -4),
      `${text}x`,
      `${text.slice(0, 18)}${'A'.repeat(90_000)}`,
    ]
    for (const wrong of [...broken, encode({ issuer, token: 'x' }), encode({})]) {
      const error = await refusal(researcher.accept(wrong))
      expect(error).toMatchObject({ code: 'invalid_request', reason: 'malformed_hand_off' })
    }
    const foreigner = world.agent({ issuer: 'https://other.example' })
    expect(await refusal(foreigner.accept(text))).toMatchObject({
      reason: 'foreign_hand_off',
      hint: expect.stringContaining('issuer'),
    })
    expect(await refusal(researcher.accept(JSON.parse('null')))).toBeInstanceOf(TypeError)
    expect(world.calls).toHaveLength(before)
  })

  test('asks for no more than is wanted', async () => {
    const { world, orchestrator, researcher } = createPair()
    const handOff = await orchestrator.delegate({ to: 'researcher' })
    await researcher.accept(handOff, { resource, scope: ['docs:read'] })
    const form = world.tokenCalls().at(-1)?.form
    expect(form?.get('resource')).toBe(resource)
    expect(form?.get('scope')).toBe('docs:read')
    expect(form?.has('requested_actor')).toBe(false)
  })
})

describe('a delegated token', () => {
  const accepted = async (options?: { lifeSeconds?: number }) => {
    const pair = createPair(options)
    const handOff = await pair.orchestrator.delegate({ to: 'researcher', scope: 'docs:read' })
    return { ...pair, handOff, delegated: await pair.researcher.accept(handOff) }
  }

  test('is sent to its resource, and to no other origin', async () => {
    const { world, delegated } = await accepted()
    expect((await delegated.fetch(resource)).status).toBe(200)
    expect(world.to(resource)[0]?.authorization).toBe(`Bearer ${delegated.accessToken}`)
    const error = await refusal(delegated.fetch('https://evil.example/mcp'))
    expect(error).toMatchObject({ reason: 'wrong_origin' })
    expect(world.to('https://evil.example/mcp')).toEqual([])
  })

  test('is accepted again, once for all who wait, while the hand-off lives', async () => {
    const { world, delegated } = await accepted({ lifeSeconds: 100 })
    const first = delegated.accessToken
    const before = world.tokenCalls().length
    world.clock.seconds += 95
    const renewed = await Promise.all([delegated.token(), delegated.token(), delegated.token()])
    expect(world.tokenCalls()).toHaveLength(before + 1)
    expect(renewed[0]?.accessToken).not.toBe(first)
    expect(delegated.accessToken).toBe(renewed[0]?.accessToken)
  })

  test('says so when the hand-off has ended', async () => {
    const { world, delegated } = await accepted({ lifeSeconds: 590 })
    world.clock.seconds += 580
    await delegated.token()
    world.clock.seconds += 580
    expect((await delegated.token()).accessToken).toBe(delegated.accessToken)
    world.clock.seconds += 10
    expect(await refusal(delegated.token())).toMatchObject({
      code: 'invalid_token',
      reason: 'delegation_ended',
      hint: 'The lender took it back or it expired: ask for a new hand-off.',
      cause: expect.objectContaining({ reason: 'hand_off_expired' }),
    })
  })

  test.each(['subject_token_revoked', 'subject_token_token_expired', 'delegation_revoked'])(
    'says that it has ended when the server says %s',
    async (reason) => {
      const { world, delegated } = await accepted({ lifeSeconds: 100 })
      world.on(metadata.token_endpoint, () =>
        json({ error: 'invalid_request', error_detail: reason }, 400),
      )
      world.clock.seconds += 95
      expect(await refusal(delegated.token())).toMatchObject({
        code: 'invalid_token',
        reason: 'delegation_ended',
        hint: 'The lender took it back or it expired: ask for a new hand-off.',
        cause: expect.objectContaining({ code: 'invalid_request', reason }),
      })
    },
  )

  test('passes on every other refusal of the server as it is', async () => {
    const { world, delegated } = await accepted({ lifeSeconds: 100 })
    world.on(metadata.token_endpoint, () =>
      json({ error: 'invalid_request', error_detail: 'may_act_mismatch' }, 400),
    )
    world.clock.seconds += 95
    const error = await refusal(delegated.token())
    expect(error).toMatchObject({ code: 'invalid_request', reason: 'may_act_mismatch' })
  })

  test('describes itself in plain words, without the token', async () => {
    const { world, researcher, delegated } = await accepted()
    const scraper = world.agent({ clientId: 'scraper' })
    const limits = { cost_budget_usd: '0.08', max_delegation_depth: 1, allowed_actions: ['docs.*'] }
    const handOff = await researcher.delegate({ to: 'scraper', token: delegated, limits })
    const lent = await scraper.accept(handOff)
    expect(lent.describe()).toBe(
      `scraper via researcher for orchestrator: docs:read at ${resource}.\n` +
        'Delegation dlg_3, until 2027-01-15T08:10:00Z.',
    )
    expect(handOff.describe()).toBe(
      'scraper via researcher for orchestrator: docs:read, 0.08 USD, actions docs.*, 1 more hop.\n' +
        'Hand-off dlg_3, for scraper to accept until 2027-01-15T08:10:00Z.',
    )
    expect(lent.describe() + handOff.describe()).not.toContain(lent.accessToken)
    expect(handOff.describe()).not.toContain('behalf-handoff')
  })

  test('never steps up: what was lent is what there is', async () => {
    const { world, delegated } = await accepted()
    const params = 'Bearer error="insufficient_scope", scope="docs:write"'
    world.on(resource, () => json({}, 403, { 'www-authenticate': params }))
    const before = world.tokenCalls().length
    expect((await delegated.fetch(resource)).status).toBe(403)
    expect(world.tokenCalls()).toHaveLength(before)
  })

  test('is renewed once after a 401', async () => {
    const { world, delegated } = await accepted()
    world.on(resource, () => json({}, 401))
    expect((await delegated.fetch(resource)).status).toBe(401)
    expect(world.to(resource)).toHaveLength(2)
  })

  test('can be handed on', async () => {
    const { world, researcher, delegated } = await accepted()
    const next = await researcher.delegate({ to: 'summarizer', token: delegated })
    expect(next.lineage).toEqual(['dlg_1', 'dlg_2', 'dlg_3'])
    const last = await world.agent({ clientId: 'summarizer' }).accept(next)
    expect(last.subject).toBe('orchestrator')
    expect(last.chain.map(({ sub }) => sub)).toEqual(['summarizer', 'researcher'])
  })
})

describe('exchange', () => {
  test('sends an actor token with its type, and audience and resource as often as given', async () => {
    const { world, orchestrator, researcher } = createPair()
    const subjectToken = await orchestrator.token({ resource })
    const actorToken = await researcher.token({ resource: issuer })
    const audience = ['one', 'two']
    await orchestrator.exchange({
      subjectToken,
      actorToken,
      audience,
      resource: [resource, resource],
    })
    const form = world.tokenCalls().at(-1)?.form
    expect(form?.get('actor_token')).toBe(actorToken.accessToken)
    expect(form?.get('actor_token_type')).toBe(tokenType)
    expect(form?.getAll('audience')).toEqual(['one', 'two'])
    expect(form?.getAll('resource')).toEqual([resource])
  })

  test('sends no empty parameter and no actor token type of its own', async () => {
    const { world, orchestrator } = createPair()
    const { accessToken } = await orchestrator.token()
    await orchestrator.exchange({ subjectToken: accessToken, scope: '' })
    const form = world.tokenCalls().at(-1)?.form
    expect([...(form?.keys() ?? [])]).toEqual(['grant_type', 'subject_token', 'subject_token_type'])
  })

  test('passes on a refusal with its reason and its hint', async () => {
    const { world, orchestrator } = createPair()
    const { accessToken } = await orchestrator.token()
    const body = { error: 'access_denied', error_detail: 'no_rule', error_hint: 'Add a rule.' }
    world.on(metadata.token_endpoint, () => json(body, 403))
    const error = await refusal(orchestrator.exchange({ subjectToken: accessToken }))
    expect(error).toMatchObject({ code: 'access_denied', reason: 'no_rule', hint: 'Add a rule.' })
  })
})

describe('pull', () => {
  const next = 'https://next.example/mcp'
  const createServer = (options?: { lifeSeconds?: number }) => {
    const world = createWorld(options)
    world.on(next, () => json({ ok: true }))
    return { world, server: world.agent({ clientId: 'docs-server' }), caller: world.agent() }
  }

  test('brings what this server was called with, and gets a token for the next one', async () => {
    const { world, server, caller } = createServer()
    const token = await caller.token({ resource })
    const limits = { cost_budget_usd: 0.5 }
    const pulled = await server.pull({ token, resource: next, scope: 'docs:read', limits })
    const [, call] = world.tokenCalls()
    expect(Object.fromEntries(call?.form ?? [])).toMatchObject({
      grant_type: exchangeType,
      subject_token: token.accessToken,
      subject_token_type: tokenType,
      resource: next,
      scope: 'docs:read',
      agent_limits: JSON.stringify(limits),
    })
    expect(pulled).toMatchObject({ resource: next, subject: 'orchestrator' })
    await pulled.fetch(next)
    expect(world.to(next)[0]?.authorization).toBe(`Bearer ${pulled.accessToken}`)
    expect(await refusal(pulled.fetch(resource))).toMatchObject({ reason: 'wrong_origin' })
  })

  test('renews it while the caller’s own token lives, and not after', async () => {
    const { world, server, caller } = createServer({ lifeSeconds: 600 })
    const token = await caller.token({ resource })
    world.clock.seconds += 100
    const pulled = await server.pull({ token, resource: next })
    const first = pulled.accessToken
    world.clock.seconds += 480
    // Of its 600 s it has 120 left, which will do; then it is renewed, and then there is an end.
    expect((await pulled.token()).accessToken).toBe(first)
    world.clock.seconds += 121
    expect(await refusal(pulled.token())).toMatchObject({ reason: 'delegation_ended' })
  })

  test('names one resource', async () => {
    const { server, caller } = createServer()
    const token = await caller.token({ resource })
    await expect(server.pull({ token, resource: 'next' })).rejects.toThrow(TypeError)
    const nothing = { token } as Parameters<typeof server.pull>[0]
    await expect(server.pull(nothing)).rejects.toThrow(TypeError)
  })
})

describe('revoke', () => {
  test('sends the token and forgets it', async () => {
    const { world, orchestrator } = createPair()
    const token = await orchestrator.token()
    await orchestrator.revoke(token)
    expect(world.to(metadata.revocation_endpoint)[0]?.form.get('token')).toBe(token.accessToken)
    expect(await orchestrator.token()).not.toBe(token)
  })

  test('takes back a hand-off, by object or by text, and a delegated token', async () => {
    const { world, orchestrator, researcher } = createPair()
    const handOff = await orchestrator.delegate({ to: 'researcher' })
    const delegated = await researcher.accept(handOff)
    const { accessToken } = delegated
    await orchestrator.revoke(handOff)
    await orchestrator.revoke(handOff.text)
    await researcher.revoke(delegated)
    const sent = world.to(metadata.revocation_endpoint).map((call) => call.form.get('token') ?? '')
    expect(sent[0]).toBe(sent[1])
    expect(claimsOf(sent[0] ?? '')).toMatchObject({ may_act: { sub: 'researcher' } })
    expect(sent[2]).toBe(accessToken)
    world.on(metadata.token_endpoint, () => json({ error: 'access_denied' }, 403))
    expect(await refusal(delegated.token())).toMatchObject({ code: 'access_denied' })
  })

  test('says so when the server cannot', async () => {
    const { world, orchestrator } = createPair()
    const { revocation_endpoint: _, ...rest } = metadata
    world.on('https://auth.example/.well-known/oauth-authorization-server', () => json(rest))
    const error = await refusal(orchestrator.revoke('some-token'))
    expect(error).toMatchObject({ reason: 'revocation_not_supported' })
  })
})
