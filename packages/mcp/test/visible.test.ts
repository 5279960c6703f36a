/** Who something is for, and what a rule may not say. Nothing here is online. */

import { type Caller, createVerifier, type Verifier } from '@behalf/verifier'
import {
  McpServer as McpServerV1,
  ResourceTemplate as ResourceTemplateV1,
} from '@modelcontextprotocol/sdk/server/mcp.js'
import { McpServer as McpServerV2 } from '@modelcontextprotocol/server'
import { describe, expect, test } from 'vitest'
import { denialKey, protectMcp, type Visible } from '../src/server.js'
import { talkTo } from './talk.js'

const options = { issuer: 'https://auth.example', resource: 'https://api.example/mcp' }

const alice: Caller = {
  subject: 'usr_alice',
  actor: 'usr_alice',
  chain: [],
  tenantId: 'acme',
  clientId: 'desktop',
  role: 'user',
  agentType: undefined,
  scope: ['docs:read'],
  limits: {},
  lineage: [],
  claims: { aud: options.resource, org_role: 'member', hardware_tier: 'pro' },
  expiresAt: new Date(4_000_000_000_000),
  token: 'a.b.c',
}

/** A guard that lets in this one, whoever they are. */
const enter = async (caller: Caller = alice) => {
  const real = createVerifier({ issuer: options.issuer, audience: options.resource })
  const verifier: Verifier = { ...real, verify: async () => caller }
  const guard = protectMcp({ ...options, verifier })
  const authInfo = await guard.authenticate(new Request(options.resource))
  if (authInfo instanceof Response) throw new Error('kept out')
  return { guard, authInfo }
}

const text = (value: string) => ({ content: [{ type: 'text' as const, text: value }] })

const reasonFor = async (visible: Visible, caller = alice) => {
  const { guard, authInfo } = await enter(caller)
  const answer = await guard.tool({ visible }, () => text('in'))({ authInfo })
  return '_meta' in answer ? answer._meta?.[denialKey] : undefined
}

const asAdmin = { ...alice, claims: { ...alice.claims, org_role: 'admin' } }
const nobody: Caller = { ...alice, tenantId: undefined, role: undefined, claims: {} }
const untenanted = { ...nobody, claims: { aud: options.resource } }

test.each<[string, Visible, Caller, string | undefined]>([
  ['their tenant', { tenants: ['globex', 'acme'] }, alice, undefined],
  ['another tenant', { tenants: ['globex'] }, alice, 'wrong_tenant'],
  ['a tenant, without one', { tenants: ['acme'] }, untenanted, 'wrong_tenant'],
  ['their role', { roles: ['user', 'admin'] }, alice, undefined],
  ['another role', { roles: ['admin'] }, alice, 'wrong_role'],
  ['a role, without one', { roles: ['admin'] }, untenanted, 'wrong_role'],
  ['another part in the organization', { orgRoles: ['admin'] }, alice, 'wrong_org_role'],
  ['their part in the organization', { orgRoles: ['admin'] }, asAdmin, undefined],
  ['a part, without one', { orgRoles: ['admin'] }, untenanted, 'wrong_org_role'],
  ['all that is named', { tenants: ['acme'], orgRoles: ['admin'] }, asAdmin, undefined],
  ['some that is named', { tenants: ['acme'], orgRoles: ['admin'] }, alice, 'wrong_org_role'],
  ['who a function names', ({ subject }) => subject === 'usr_alice', alice, undefined],
  ['who no function names', () => false, alice, 'not_visible'],
  [
    'who breaks a function',
    () => {
      throw new Error('a bug')
    },
    alice,
    'not_visible',
  ],
  ['whom a promise names', (async () => true) as never, alice, 'not_visible'],
  ['whom a word names', (() => 'yes') as never, alice, 'not_visible'],
])('what is for %s is refused or not', async (_, visible, caller, reason) => {
  expect((await reasonFor(visible, caller))?.error_detail).toBe(reason)
})

test('a type predicate says what the handler gets', async () => {
  type Tiered = Caller & { claims: { hardware_tier: 'basic' | 'pro' } }
  const isTiered = (caller: Caller): caller is Tiered =>
    ['basic', 'pro'].includes(String(caller.claims.hardware_tier))
  const { guard, authInfo } = await enter()
  const tool = guard.tool({ visible: isTiered }, (_, { claims, tenantId, role }) =>
    text([tenantId, role, claims.hardware_tier].join(' ')),
  )
  expect(await tool({ authInfo })).toEqual(text('acme user pro'))
})

test.each<[string, unknown]>([
  ['nothing', {}],
  ['a member that is misspelt', { role: ['admin'] }],
  ['a member that is misspelt beside a right one', { roles: ['admin'], tenant: 'acme' }],
  ['an empty list', { tenants: [] }],
  ['a text for a list', { tenants: 'acme' }],
  ['an empty text', { roles: [''] }],
  ['no object', true],
  ['null', null],
])('visible may not be %s', async (_, visible) => {
  const { guard } = await enter()
  expect(() => guard.tool({ visible: visible as Visible }, () => text(''))).toThrow(TypeError)
  expect(() => guard.prompt({ visible: visible as Visible }, () => ({}))).toThrow(TypeError)
})

const info = { name: 'docs', version: '1.0.0' }
const noTools = { capabilities: { tools: {} } }
const makers = [
  { generation: 'v1', make: () => new McpServerV1(info, noTools) },
  { generation: 'v2', make: () => new McpServerV2(info, noTools) },
] as const

const namesIn = (answer: Record<string, unknown>) =>
  (answer.result as { tools: { name: string }[] }).tools.map(({ name }) => name)

describe.each(makers)('on a server object of $generation', ({ make }) => {
  test('a rule goes where its tool goes', async () => {
    const { guard, authInfo } = await enter()
    // One of the two: what is done here, both generations do alike.
    const server = make() as McpServerV1
    const hidden = { visible: { tenants: ['globex'] } }
    const moved = guard.tool(server, 'before', hidden, undefined, () => text('moved'))
    const gone = guard.tool(server, 'gone', hidden, undefined, () => text('gone'))
    moved.update({ name: 'after' })
    gone.remove()
    server.registerTool('gone', {}, () => text('for all'))
    const ask = await talkTo(server, authInfo)
    expect(namesIn(await ask('tools/list'))).toEqual(['gone'])
    const called = await ask('tools/call', { name: 'after', arguments: {} })
    expect(JSON.stringify(called)).toContain('Tool after not found')
  })

  test('a hidden resource is unknown however its address is written', async () => {
    const { guard, authInfo } = await enter()
    const server = make() as McpServerV1
    const hidden = { visible: { tenants: ['globex'] } }
    guard.resource(server, 'vault', 'docs://vault/a', hidden, () => ({ contents: [] }))
    const ask = await talkTo(server, authInfo)
    const tell = async (uri: string) => JSON.stringify((await ask('resources/read', { uri })).error)
    for (const write of [
      (name: string) => ` docs://${name}/a `,
      (name: string) => `DOCS://${name}/a`,
      (name: string) => `docs:\n//${name}/b/../a`,
      (name: string) => `docs://${name}/a`,
    ]) {
      const known = await tell(write('vault'))
      expect(known.replaceAll('vault', 'other')).toBe(await tell(write('other')))
    }
  })

  test('a tool of one guard is not shown to who came through another', async () => {
    const [one, other] = [await enter(), await enter({ ...alice })]
    const server = make() as McpServerV1
    one.guard.tool(server, 'one', {}, undefined, () => text('one'))
    other.guard.tool(server, 'other', {}, undefined, () => text('other'))
    const ask = await talkTo(server, one.authInfo)
    expect(namesIn(await ask('tools/list'))).toEqual(['one'])
  })

  test('nothing guarded is shown or done past the guard', async () => {
    const { guard } = await enter()
    const server = make() as McpServerV1
    guard.tool(server, 'one', {}, undefined, () => text('one'))
    const ask = await talkTo(server, undefined)
    expect(namesIn(await ask('tools/list'))).toEqual([])
    const called = JSON.stringify(await ask('tools/call', { name: 'one', arguments: {} }))
    expect(called).toContain('did not come through its guard')
  })
})

test('a completion needs the scope of what it is for', async () => {
  const { guard, authInfo } = await enter()
  const server = new McpServerV1(info)
  const template = new ResourceTemplateV1('docs://{id}', {
    list: undefined,
    complete: { id: () => ['secret'] },
  })
  const rule = { scope: 'docs:write' }
  guard.resource(server, 'doc', template, rule, ({ uri }) => ({
    contents: [{ uri: uri.href, text: '' }],
  }))
  const ask = await talkTo(server, authInfo)
  const ref = { type: 'ref/resource', uri: 'docs://{id}' }
  const argument = { name: 'id', value: '' }
  const answer = await ask('completion/complete', { ref, argument })
  expect(answer.error).toMatchObject({
    code: 403,
    data: { [denialKey]: { error: 'insufficient_scope', scope: 'docs:write' } },
  })
})

test('a body that somebody else reads is left to them', async () => {
  const { guard } = await enter()
  const server = new McpServerV1(info)
  guard.tool(server, 'publish', { scope: 'docs:write' }, undefined, () => text('published'))
  const headers = { 'content-type': 'application/json' }
  const request = new Request(options.resource, { method: 'POST', headers, body: '{}' })
  request.body?.getReader()
  const answer = await guard.fetch(() => new Response('handled'))(request)
  expect(await answer.text()).toBe('handled')
})

test('what could never work is refused when it is said', async () => {
  const { guard } = await enter()
  expect(() => guard.tool({} as McpServerV1, 'search', {}, undefined, () => text(''))).toThrow(
    TypeError,
  )
  expect(() =>
    guard.tool(undefined as unknown as McpServerV1, 'search', {}, undefined, () => text('')),
  ).toThrow(TypeError)
  const server = new McpServerV1(info)
  expect(() => guard.tool(server, '', {}, undefined, () => text(''))).toThrow(TypeError)
  const unavailable = 'gone' as 'hide'
  expect(() => guard.tool(server, 'a', { unavailable }, undefined, () => text(''))).toThrow(
    TypeError,
  )
  expect(() => guard.tool(server, 'dev.behalf:nobody', {}, undefined, () => text(''))).toThrow(
    TypeError,
  )
})
