import { readBasicAuthorization } from '@behalf/protocol'
import { describe, expect, test } from 'vitest'
import { createWorld, issuer, json, metadata, refusal, secret } from './stub.js'

const budgets = `${metadata.agent_budget_endpoint}/budgets`
const week = {
  period: 'week',
  of: 'agent:orchestrator',
  cap_usd: '10',
  spent_usd: '8.8',
  held_usd: '0',
  renews_at: '2027-01-18T00:00:00.000Z',
}
const wire = {
  delegation_id: 'dlg_1',
  mode: 'escrow',
  cap_usd: '5',
  spent_usd: '1.25',
  held_usd: '0.04',
  remaining_usd: '1.20',
  limited_by: 'week:2027-01-11:agent:orchestrator',
  renews_at: week.renews_at,
  requests_per_hour: 200,
  remaining_requests: 12,
  requests_limited_by: 'tenant:acme',
  periods: [week],
  member_of_tomorrow: true,
}
const bare = { delegation_id: 'dlg_1', spent_usd: '0', held_usd: '0' }

const shows = (body: object) => {
  const world = createWorld()
  world.on(`${budgets}/dlg_1`, () => json(body))
  return world.agent().budget('dlg_1')
}

describe('budget', () => {
  test('says what is left, who limits it, and when it starts again', async () => {
    const renewsAt = new Date('2027-01-18T00:00:00Z')
    expect({ ...(await shows(wire)) }).toStrictEqual({
      delegationId: 'dlg_1',
      mode: 'escrow',
      cap: '5',
      spent: '1.25',
      held: '0.04',
      remaining: '1.20',
      limitedBy: 'week:2027-01-11:agent:orchestrator',
      renewsAt,
      requestsPerHour: 200,
      remainingRequests: 12,
      requestsLimitedBy: 'tenant:acme',
      periods: [
        { period: 'week', of: 'agent:orchestrator', cap: '10', spent: '8.8', held: '0', renewsAt },
      ],
    })
  })

  test('is shared and has no periods where the server names none', async () => {
    expect(await shows(bare)).toMatchObject({
      mode: 'shared',
      periods: [],
      renewsAt: undefined,
      remaining: undefined,
      remainingRequests: undefined,
    })
  })

  test('does not say whose a period is when the server does not', async () => {
    const { periods } = await shows({ ...wire, periods: [{ ...week, of: 42 }] })
    expect(periods[0]?.of).toBeUndefined()
  })

  test('is frozen, with its periods', async () => {
    const budget = await shows(wire)
    for (const value of [budget, budget.periods, budget.periods[0]]) {
      expect(Object.isFrozen(value)).toBe(true)
    }
  })

  test.each([
    [{ ...wire, renews_at: 'tomorrow' }],
    [{ ...wire, renews_at: '2027-01-18' }],
    [{ ...wire, renews_at: '2027-01-18T00:00:00' }],
    [{ ...wire, renews_at: '2027-13-18T00:00:00Z' }],
    [{ ...wire, periods: [{ ...week, renews_at: 'Mon, 18 Jan 2027 00:00:00 GMT' }] }],
    [{ ...wire, periods: [{ ...week, period: 'year' }] }],
    [{ ...wire, mode: 'lavish' }],
  ])('that cannot be understood is refused: %j', async (body) => {
    const error = await refusal(shows(body))
    expect(error).toMatchObject({ code: 'server_error', reason: 'unexpected_response' })
  })

  test.each([
    [
      wire,
      '1.20 of 5 USD left, 0.04 held; week:2027-01-11:agent:orchestrator limits it; it starts ' +
        'again at 2027-01-18T00:00:00Z; 12 of 200 requests left this hour; tenant:acme limits them.',
    ],
    [{ ...bare, cap_usd: '5', remaining_usd: '5', limited_by: 'dlg_1' }, '5 of 5 USD left.'],
    [
      { ...bare, remaining_usd: '1.2', limited_by: 'agent:orchestrator' },
      '1.2 USD left; agent:orchestrator limits it.',
    ],
    [bare, '0 USD spent, no cap.'],
    [
      { ...bare, remaining_requests: 3, requests_limited_by: 'dlg_1' },
      '0 USD spent, no cap; 3 requests left this hour.',
    ],
  ])('describes %j in a sentence', async (body, sentence) => {
    expect((await shows(body)).describe()).toBe(sentence)
  })

  test('is the agent’s own, unless another is named', async () => {
    const world = createWorld()
    world.on(`${budgets}/dlg_1`, () => json(wire))
    world.on(`${budgets}/dlg_2`, () => json({ ...bare, delegation_id: 'dlg_2' }))
    const agent = world.agent()
    expect((await agent.budget()).delegationId).toBe('dlg_1')
    expect(world.tokenCalls()[0]?.form.get('resource')).toBe(issuer)
    const handOff = await agent.delegate({ to: 'researcher' })
    const lent = await world.agent({ clientId: 'researcher' }).accept(handOff)
    for (const one of [handOff, handOff.text, lent, 'dlg_2']) {
      expect((await agent.budget(one)).delegationId).toBe('dlg_2')
    }
  })

  test('of somebody else’s delegation is not found', async () => {
    const world = createWorld()
    world.on(`${budgets}/dlg_9`, () => json({ error: 'not_found' }, 404))
    const error = await refusal(world.agent().budget('dlg_9'))
    expect(error).toMatchObject({
      code: 'not_found',
      hint: expect.stringContaining('Check the id'),
    })
  })

  test('cannot be the own one of a token that does not say its delegation', async () => {
    const world = createWorld()
    world.on(metadata.token_endpoint, () => json({ access_token: 'x', token_type: 'bearer' }))
    expect(await refusal(world.agent().budget())).toMatchObject({ reason: 'unreadable_token' })
  })
})

describe('a budget in escrow', () => {
  const modeSent = (world: ReturnType<typeof createWorld>) =>
    world.tokenCalls().at(-1)?.form.get('budget_mode')

  test('is asked for in the exchange, and not named when nobody asks', async () => {
    const world = createWorld()
    const agent = world.agent()
    await agent.delegate({ to: 'researcher' })
    expect(modeSent(world)).toBeNull()
    for (const budgetMode of ['escrow', 'shared'] as const) {
      await agent.delegate({ to: 'researcher', budgetMode, limits: { cost_budget_usd: '2' } })
      expect(modeSent(world)).toBe(budgetMode)
    }
  })

  test('that a server has not set aside is no hand-off', async () => {
    const world = createWorld()
    const agent = world.agent()
    await agent.token()
    world.on(metadata.token_endpoint, () => world.issue({ may_act: { sub: 'researcher' } }, 'N_A'))
    const error = await refusal(agent.delegate({ to: 'researcher', budgetMode: 'escrow' }))
    expect(error).toMatchObject({ code: 'server_error', reason: 'budget_mode_ignored' })
  })

  test('is explained as it would be asked for', async () => {
    const world = createWorld()
    const answer = { allowed: false, error: 'access_denied', error_detail: 'insufficient_budget' }
    world.on(metadata.delegation_check_endpoint, () => json(answer))
    const asked = { to: 'researcher', budgetMode: 'escrow' } as const
    const said = await world.agent().delegations.explain(asked)
    const [call] = world.to(metadata.delegation_check_endpoint)
    expect(call?.form.get('budget_mode')).toBe('escrow')
    expect(said).toMatchObject({ allowed: false, hint: expect.stringContaining('Lend less') })
  })

  test('of a mode that is not known is misuse, and nothing is lent', async () => {
    const world = createWorld()
    const budgetMode = 'Escrow' as 'escrow'
    const agent = world.agent()
    expect(await refusal(agent.delegate({ to: 'researcher', budgetMode }))).toBeInstanceOf(
      TypeError,
    )
    expect(world.tokenCalls().some(({ form }) => form.has('subject_token'))).toBe(false)
  })

  test('that is not covered is refused with what is left, and a way out', async () => {
    const world = createWorld()
    const agent = world.agent()
    await agent.token()
    const details = { required: '9', remaining: '1.2', limited_by: 'agent:orchestrator' }
    const body = { error: 'access_denied', error_detail: 'insufficient_budget', ...details }
    world.on(metadata.token_endpoint, () => json(body, 403))
    const error = await refusal(agent.delegate({ to: 'researcher', budgetMode: 'escrow' }))
    expect(error).toMatchObject({
      code: 'access_denied',
      reason: 'insufficient_budget',
      details,
      hint: expect.stringContaining("budgetMode 'shared'"),
    })
    world.on(metadata.token_endpoint, () => json({ ...body, error_hint: 'Ask Bo.' }, 403))
    const told = await refusal(agent.delegate({ to: 'researcher', budgetMode: 'escrow' }))
    expect(told.hint).toBe('Ask Bo.')
  })
})

describe('closeBudget', () => {
  const url = `${budgets}/dlg_2/close`
  const closed = { ...bare, delegation_id: 'dlg_2', mode: 'escrow', cap_usd: '1', spent_usd: '1' }
  const closing = () => {
    const world = createWorld()
    const keys: (string | null)[] = []
    let lost = 0
    world.on(url, (request) => {
      keys.push(request.headers.get('idempotency-key'))
      lost -= 1
      if (lost >= 0) throw new TypeError('connection reset')
      return json(closed)
    })
    const lose = (answers: number) => {
      lost = answers
    }
    return { world, agent: world.agent(), keys, lose }
  }

  test('posts as this client, and answers what the budget is then', async () => {
    const { world, agent } = closing()
    const handOff = await agent.delegate({ to: 'researcher', budgetMode: 'escrow' })
    for (const one of [handOff, handOff.text, 'dlg_2']) {
      const budget = await agent.delegations.closeBudget(one)
      expect(budget).toMatchObject({ delegationId: 'dlg_2', mode: 'escrow', cap: '1', spent: '1' })
    }
    const [call] = world.to(url)
    expect(call?.method).toBe('POST')
    expect(readBasicAuthorization(call?.authorization ?? '')?.clientSecret).toBe(secret)
  })

  test('has a new Idempotency-Key each time, and the same one for a lost answer', async () => {
    const { agent, keys, lose } = closing()
    await agent.delegations.closeBudget('dlg_2')
    lose(1)
    await agent.delegations.closeBudget('dlg_2')
    expect(keys).toHaveLength(3)
    expect(keys[0]).toMatch(/^[\x21-\x7e]{16,255}$/)
    expect(keys[1]).not.toBe(keys[0])
    expect(keys[2]).toBe(keys[1])
  })

  test('gives up after a second lost answer', async () => {
    const { agent, keys, lose } = closing()
    lose(9)
    const error = await refusal(agent.delegations.closeBudget('dlg_2'))
    expect(error).toMatchObject({ reason: 'network_error' })
    expect(keys).toHaveLength(2)
  })

  test('is asked once when it is refused, and says what to do', async () => {
    const { world, agent } = closing()
    world.on(url, () => json({ error: 'not_found' }, 404))
    const error = await refusal(agent.delegations.closeBudget('dlg_2'))
    expect(error).toMatchObject({
      code: 'not_found',
      hint: expect.stringContaining('Check the id'),
    })
    expect(world.to(url)).toHaveLength(1)
  })

  test('sends nothing for what names no delegation', async () => {
    const { world, agent } = closing()
    for (const wrong of ['', '../x', { delegationId: undefined }]) {
      expect(await refusal(agent.delegations.closeBudget(wrong))).toBeInstanceOf(TypeError)
    }
    expect(world.calls).toEqual([])
  })
})
