import { readBasicAuthorization } from '@behalf/protocol'
import { describe, expect, test } from 'vitest'
import { claimsOf, createWorld, issuer, json, metadata, refusal, resource, secret } from './stub.js'

const check = metadata.delegation_check_endpoint
const listing = metadata.delegations_endpoint
const serverMetadata = `${issuer}/.well-known/oauth-authorization-server`

const allowed = {
  allowed: true,
  shape: 'hand_off',
  scope: 'docs:read',
  resources: [resource],
  agent_limits: { cost_budget_usd: 0.08, max_delegation_depth: 1 },
  expires_in: 300,
  rule_ids: ['rul_1'],
  narrowed: { cost_budget_usd: { asked: 10, granted: 0.08 } },
}

const notPermitted = {
  allowed: false,
  error: 'access_denied',
  error_description: 'No rule lets this client delegate to that actor.',
  error_detail: 'delegation_not_permitted',
  error_hint: 'Have an administrator add a delegation rule from the one to the other.',
}

const item = {
  delegation_id: 'dlg_2',
  parent_id: 'dlg_1',
  lineage: ['dlg_1', 'dlg_2'],
  subject: 'orchestrator',
  actor: 'researcher',
  act: { sub: 'researcher', client_id: 'researcher' },
  scope: 'docs:read',
  resources: [resource],
  agent_limits: {},
  created_at: '2027-01-15T08:00:00.000Z',
  budget: { delegation_id: 'dlg_2', spent_usd: '0', held_usd: '0' },
  member_of_tomorrow: true,
}

const without = (name: keyof typeof metadata) => {
  const { [name]: _, ...rest } = metadata
  return rest
}

describe('explain', () => {
  const answering = (body: object, status = 200) => {
    const world = createWorld()
    world.on(check, () => json(body, status))
    return { world, agent: world.agent(), sent: () => world.to(check).at(-1) }
  }

  test('asks as delegate would, and answers a yes in words', async () => {
    const { agent, sent } = answering(allowed)
    const limits = { cost_budget_usd: 10 }
    const asked = { to: 'researcher', resource, scope: 'docs:read', limits }
    const answer = await agent.delegations.explain(asked)
    const form = sent()?.form
    const subject = form?.get('subject_token') ?? ''
    expect(readBasicAuthorization(sent()?.authorization ?? '')?.clientSecret).toBe(secret)
    expect(claimsOf(subject)).toMatchObject({ sub: 'orchestrator', aud: [resource] })
    expect(Object.fromEntries(form ?? [])).toEqual({
      subject_token: subject,
      subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      requested_actor: 'researcher',
      resource,
      scope: 'docs:read',
      agent_limits: '{"cost_budget_usd":10}',
    })
    const text =
      `Yes: docs:read at ${resource}, 0.08 USD (asked 10), 1 more hop, ` +
      'for 5 minutes, by rule rul_1.'
    expect({ ...answer }).toEqual({
      allowed: true,
      shape: 'hand_off',
      scope: ['docs:read'],
      resources: [resource],
      limits: allowed.agent_limits,
      expiresIn: 300,
      ruleIds: ['rul_1'],
      narrowed: allowed.narrowed,
      text,
    })
    expect(`${answer}`).toBe(text)
  })

  test('answers a no with what decided and what to do', async () => {
    const { agent } = answering(notPermitted)
    const answer = await agent.delegations.explain({ to: 'stranger' })
    expect(answer).toMatchObject({
      allowed: false,
      code: 'access_denied',
      reason: 'delegation_not_permitted',
      description: notPermitted.error_description,
      hint: notPermitted.error_hint,
      ruleIds: [],
      docs: expect.stringContaining('#access_denied'),
    })
    expect(`${answer}`).toBe(
      'No: no rule lets orchestrator delegate to stranger. ' +
        'Have an administrator add a delegation rule from the one to the other.',
    )
  })

  test('names the rules of a no, and says every other reason as the server does', async () => {
    const { agent } = answering({
      allowed: false,
      error: 'invalid_scope',
      error_description: 'The scope asked for is more than may be granted.',
      error_detail: 'scope_not_allowed',
      rule_ids: ['rul_1', 'rul_2'],
    })
    expect((await agent.delegations.explain({ to: 'researcher' })).text).toBe(
      'No: the scope asked for is more than may be granted. Decided by rules rul_1 and rul_2.',
    )
  })

  test('asks about a delegation without a token', async () => {
    const { world, agent, sent } = answering(notPermitted)
    const answer = await agent.delegations.explain({ delegationId: 'dlg_7', to: 'stranger' })
    expect([...(sent()?.form ?? [])]).toEqual([
      ['delegation_id', 'dlg_7'],
      ['requested_actor', 'stranger'],
    ])
    expect(answer.text).toContain('no rule lets the holder of dlg_7 delegate to stranger.')
    expect(world.tokenCalls()).toEqual([])
  })

  test('asks about a token that was lent', async () => {
    const { world, agent, sent } = answering(allowed)
    const delegated = await world
      .agent({ clientId: 'researcher' })
      .accept(await agent.delegate({ to: 'researcher' }))
    await agent.delegations.explain({ token: delegated, to: 'scraper' })
    expect(sent()?.form.get('subject_token')).toBe(delegated.accessToken)
    expect(sent()?.form.has('resource')).toBe(false)
  })

  test('asks once more with a new own token when the kept one is refused', async () => {
    const { world, agent } = answering(allowed)
    const refused = {
      allowed: false,
      error: 'invalid_request',
      error_detail: 'subject_token_revoked',
    }
    const { accessToken } = await agent.token()
    world.on(check, (_, body) =>
      json(new URLSearchParams(body).get('subject_token') === accessToken ? refused : allowed),
    )
    expect((await agent.delegations.explain({ to: 'researcher' })).allowed).toBe(true)
    expect(world.to(check)).toHaveLength(2)
  })

  test('throws what is no answer: refused questions, and nonsense', async () => {
    const unknown = answering({ error: 'not_found', error_description: 'Nothing here.' }, 404)
    expect(
      await refusal(unknown.agent.delegations.explain({ delegationId: 'dlg_9' })),
    ).toMatchObject({
      code: 'not_found',
      hint: expect.stringContaining('Check the id'),
    })
    for (const body of [{}, { allowed: 'yes' }, { ...allowed, scope: 'a  b' }]) {
      const { agent } = answering(body)
      const error = await refusal(agent.delegations.explain({ to: 'researcher' }))
      expect(error).toMatchObject({ code: 'server_error', reason: 'unexpected_response' })
    }
  })

  test('repeats no credential that the server quotes', async () => {
    const world = createWorld()
    world.on(check, (_, body) => {
      const error_description = decodeURIComponent(body)
      return json({ allowed: false, error: 'access_denied', error_description })
    })
    const agent = world.agent()
    const { accessToken } = await agent.token()
    const answer = await agent.delegations.explain({ to: 'researcher' })
    expect(answer).toMatchObject({ allowed: false, code: 'access_denied' })
    expect(JSON.stringify(answer)).not.toContain(accessToken)
  })

  test('takes a token or a delegation, not both', async () => {
    const { world, agent } = answering(allowed)
    const both = agent.delegations.explain({ token: 'x', delegationId: 'dlg_1' })
    expect(await refusal(both)).toBeInstanceOf(TypeError)
    expect(world.calls).toEqual([])
  })
})

describe('revoke of a delegation', () => {
  const revoking = (id: string) => {
    const world = createWorld()
    world.on(`${listing}/${id}/revoke`, () => json({ delegation_id: id, revoked: true }))
    return { world, url: `${listing}/${id}/revoke` }
  }

  test('posts with HTTP Basic, whatever the token endpoint takes, and answers nothing', async () => {
    const { world, url } = revoking('dlg_2')
    const agent = world.agent({ authMethod: 'client_secret_post' })
    const handOff = await agent.delegate({ to: 'researcher' })
    expect(await agent.delegations.revoke(handOff)).toBeUndefined()
    await agent.delegations.revoke(handOff.text)
    await agent.delegations.revoke('dlg_2')
    expect(world.to(url).map(({ method }) => method)).toEqual(['POST', 'POST', 'POST'])
    expect(readBasicAuthorization(world.to(url)[0]?.authorization ?? '')).toEqual({
      clientId: 'orchestrator',
      clientSecret: secret,
    })
  })

  test.each([
    ['the token', (lent: { delegationId: string | undefined }) => lent],
    ['its id', () => 'dlg_2'],
    ['the id of one above it', () => 'dlg_1'],
  ])('by %s forgets what was accepted under it', async (_, name) => {
    const { world } = revoking('dlg_2')
    world.on(`${listing}/dlg_1/revoke`, () => json({}))
    const researcher = world.agent({ clientId: 'researcher' })
    const lent = await researcher.accept(await world.agent().delegate({ to: 'researcher' }))
    await researcher.delegations.revoke(name(lent))
    const gone = { error: 'invalid_request', error_detail: 'subject_token_revoked' }
    world.on(metadata.token_endpoint, () => json(gone, 400))
    expect(await refusal(lent.token())).toMatchObject({ reason: 'delegation_ended' })
  })

  test('forgets the agent’s own tokens of it', async () => {
    const { world } = revoking('dlg_1')
    const agent = world.agent()
    const [one, other] = [await agent.token(), await agent.token({ scope: 'docs:read' })]
    await agent.delegations.revoke(one)
    expect(await agent.token()).not.toBe(one)
    expect(await agent.token({ scope: 'docs:read' })).not.toBe(other)
  })

  test('keeps what was lent when the server refuses, and says what to do', async () => {
    const { world, url } = revoking('dlg_2')
    world.on(url, () => json({ error: 'not_found' }, 404))
    const agent = world.agent()
    const own = await agent.token()
    expect(await refusal(agent.delegations.revoke('dlg_2'))).toMatchObject({
      code: 'not_found',
      status: 404,
      hint: expect.stringContaining('Check the id'),
    })
    expect(await agent.token()).toBe(own)
  })

  test('sends nothing for what names no delegation', async () => {
    const world = createWorld()
    const { revoke } = world.agent().delegations
    for (const wrong of ['', 'x', 'dlg_1/../../token', '../x', { delegationId: undefined }]) {
      expect(await refusal(revoke(wrong))).toBeInstanceOf(TypeError)
    }
    expect(await refusal(revoke(JSON.parse('null')))).toBeInstanceOf(TypeError)
    expect(world.calls).toEqual([])
  })
})

describe('list', () => {
  test('sends what is asked for, and gives members as the wire spells them', async () => {
    const world = createWorld()
    world.on(listing, () => json({ delegations: [item], next_cursor: 'two' }))
    const query = {
      subject: 'usr_a b',
      actor: 'researcher',
      under: 'dlg_1',
      limit: 1,
      cursor: 'one',
    }
    expect(await world.agent().delegations.list(query)).toEqual({
      delegations: [item],
      nextCursor: 'two',
    })
    expect(world.to(listing)[0]?.url).toBe(
      `${listing}?subject=usr_a+b&actor=researcher&under=dlg_1&limit=1&cursor=one`,
    )
  })

  test('takes a hand-off for what is under it, and nothing that names no delegation', async () => {
    const world = createWorld()
    world.on(listing, () => json({ delegations: [] }))
    const agent = world.agent()
    await agent.delegations.list({ under: await agent.delegate({ to: 'researcher' }) })
    expect(world.to(listing)[0]?.url).toBe(`${listing}?under=dlg_2`)
    const nameless = agent.delegations.list({ under: { delegationId: undefined } })
    expect(await refusal(nameless)).toBeInstanceOf(TypeError)
  })

  test('follows the cursor with all, from page to page', async () => {
    const world = createWorld()
    world.on(listing, (request) => {
      const page = Number(new URL(request.url).searchParams.get('cursor') ?? '0')
      const delegations = [{ ...item, delegation_id: `dlg_${page}` }]
      return json({ delegations, ...(page < 2 && { next_cursor: String(page + 1) }) })
    })
    const ids: string[] = []
    for await (const { delegation_id } of world.agent().delegations.all({ limit: 1 })) {
      ids.push(delegation_id)
    }
    expect(ids).toEqual(['dlg_0', 'dlg_1', 'dlg_2'])
    expect(world.to(listing).every(({ url }) => url.includes('limit=1'))).toBe(true)
  })

  test('does not go round for ever where a cursor comes back', async () => {
    const world = createWorld()
    world.on(listing, () => json({ delegations: [item], next_cursor: 'again' }))
    const found: unknown[] = []
    const read = async (): Promise<void> => {
      for await (const one of world.agent().delegations.all()) found.push(one)
    }
    expect(await refusal(read())).toMatchObject({ reason: 'unexpected_response' })
    expect(found).toHaveLength(2)
  })

  test('reads pages of more than 64 KiB, and refuses what is no listing', async () => {
    const world = createWorld()
    const many = Array.from({ length: 200 }, () => ({ ...item, padding: 'x'.repeat(1000) }))
    world.on(listing, () => json({ delegations: many }))
    const { list } = world.agent().delegations
    expect((await list()).delegations).toHaveLength(200)
    for (const body of [{}, { delegations: [{ delegation_id: 'dlg_1' }] }]) {
      world.on(listing, () => json(body))
      expect(await refusal(list())).toMatchObject({ reason: 'unexpected_response' })
    }
  })
})

test.each([
  ['delegation_check_endpoint', 'delegation_check_not_supported'],
  ['delegations_endpoint', 'delegations_not_supported'],
  ['agent_budget_endpoint', 'budgets_not_supported'],
] as const)('a server without %s is told from a refusal', async (name, reason) => {
  const world = createWorld()
  world.on(serverMetadata, () => json(without(name)))
  const { delegations, budget } = world.agent()
  const uses = {
    delegation_check_endpoint: () => delegations.explain({ to: 'researcher' }),
    delegations_endpoint: () => delegations.list(),
    agent_budget_endpoint: () => budget(),
  }
  expect(await refusal(uses[name]())).toMatchObject({
    code: 'server_error',
    reason,
    hint: expect.stringContaining('Behalf server'),
  })
})
