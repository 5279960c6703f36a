/** What is read without a schema library is read as the schemas would read it. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import * as z from 'zod'
import {
  agentLimitsSchema,
  cleanText,
  isActor,
  isLease,
  isReservation,
  isRevocationFeed,
  leaseStates,
  parseAccessToken,
  readAgentLimits,
  reservationStates,
} from '../src/index.js'

const numRuns = 3000

/** One member of something good at a time is replaced by something odd, or taken away, or put in. */
const oddities: unknown[] = [
  null,
  '',
  'a',
  '2.5',
  '1e3',
  'x'.repeat(256),
  'a\u0000',
  '\ud800',
  0,
  -0,
  -1,
  1.5,
  2.5,
  10,
  11,
  Number.POSITIVE_INFINITY,
  1e300,
  2 ** 53,
  true,
  [],
  ['a'],
  ['docs.*'],
  ['docs..read'],
  [1],
  Array.from({ length: 101 }, () => 'a'),
  {},
  { sub: 'a' },
  { sub: 1 },
  undefined,
]

const changed = (good: Record<string, unknown>): fc.Arbitrary<Record<string, unknown>> => {
  const name = fc.constantFrom(...Object.keys(good), 'other')
  const change = fc.tuple(name, fc.oneof(fc.constantFrom(...oddities), fc.jsonValue()))
  return fc
    .array(change, { minLength: 0, maxLength: 3 })
    .map((changes) => ({ ...good, ...Object.fromEntries(changes) }))
}

const expectSame = (schema: z.ZodType, isIt: (value: unknown) => boolean, good: object) =>
  fc.assert(
    fc.property(changed({ ...good }), (value) => {
      expect(isIt(value)).toBe(schema.safeParse(value).success)
    }),
    { numRuns },
  )

const name = cleanText(255)
const actorSchema: z.ZodType = z.lazy(() =>
  z.looseObject({
    sub: name,
    iss: name.optional(),
    client_id: name.optional(),
    sub_profile: name.optional(),
    act: actorSchema.optional(),
  }),
)

test('an actor', () => {
  const good = { sub: 'a', iss: 'https://a', client_id: 'a', sub_profile: 'ai_agent' }
  expectSame(actorSchema, isActor, { ...good, act: good })
})

const limits = {
  requests_per_hour: 200,
  cost_budget_usd: 2.5,
  max_cost_per_action_usd: '0.04',
  allowed_actions: ['docs.*', 'docs.read', 'docs.*'],
  max_delegation_depth: 1,
}

test('limits: the same are refused, and the same is made of the rest', () => {
  fc.assert(
    fc.property(changed(limits), (value) => {
      const { data } = agentLimitsSchema.safeParse(value)
      expect(readAgentLimits(value)).toEqual(data)
    }),
    { numRuns },
  )
  for (const value of oddities) {
    expect(readAgentLimits(value)).toEqual(agentLimitsSchema.safeParse(value).data)
  }
})

test('a reservation and a lease', () => {
  const text = z.string()
  const reservation = {
    id: text,
    delegation_id: text,
    state: z.enum(reservationStates),
    amount_usd: text,
    charged_usd: text.optional(),
    overrun_usd: text.optional(),
    expires_at: text,
    remaining_usd: text.optional(),
  }
  const goodReservation = { id: 'a', delegation_id: 'a', amount_usd: '1', expires_at: 'a' }
  expectSame(z.looseObject(reservation), isReservation, { ...goodReservation, state: 'reserved' })
  const lease = {
    ...reservation,
    charged_usd: z.unknown().optional(),
    state: z.enum(leaseStates),
    epoch: z.int(),
    seq: z.int(),
    requests: z.int(),
    ttl_seconds: z.int(),
    tail: z.boolean(),
    recalled: z.boolean(),
    remaining_requests: z.int().optional(),
  }
  const flags = { tail: false, recalled: true }
  const goodLease = { ...goodReservation, epoch: 1, seq: 1, requests: 0, ttl_seconds: 30, ...flags }
  expectSame(z.looseObject(lease), isLease, { ...goodLease, state: 'open' })
})

test('a revocation feed', () => {
  const schema = z.looseObject({
    iss: z.string(),
    iat: z.int(),
    cursor: z.string(),
    ttl: z.int().min(1),
    revoked: z.array(z.object({ id: z.string(), exp: z.int() })),
    after: z.string().optional(),
    full: z.boolean(),
  })
  const revoked = [{ id: 'dlg_1', exp: 1 }]
  const good = { iss: 'a', iat: 1, cursor: 'a', ttl: 1, revoked, full: true }
  expectSame(schema, isRevocationFeed, good)
})

const uri = cleanText(2048)
const numericDate = z.int().min(0).max(9_999_999_999)
const claimsSchema = z.looseObject({
  iss: uri,
  sub: name,
  aud: z.union([uri, z.array(uri).min(1).max(50)]),
  client_id: name,
  iat: numericDate,
  nbf: numericDate.optional(),
  exp: numericDate,
  jti: name,
  tenant_id: name.optional(),
  role: name.optional(),
  agent_type: name.optional(),
  act: actorSchema.optional(),
  may_act: z.looseObject({ sub: name }).optional(),
  agent_limits: agentLimitsSchema.optional(),
  agent_lineage: z.array(name).min(1).max(32).optional(),
})

const isAccepted = (payload: unknown): boolean => {
  try {
    parseAccessToken(payload as Record<string, unknown>)
    return true
  } catch {
    return false
  }
}

test('the claims of an access token', () => {
  expectSame(claimsSchema, isAccepted, {
    iss: 'https://auth.example',
    sub: 'usr_alice',
    aud: ['https://mcp.example/mcp'],
    client_id: 'researcher',
    iat: 1,
    nbf: 1,
    exp: 2,
    jti: 'at_1',
    tenant_id: 'acme',
    role: 'agent',
    agent_type: 'researcher',
    act: { sub: 'researcher' },
    may_act: { sub: 'other' },
    agent_limits: limits,
    agent_lineage: ['dlg_1'],
  })
})
