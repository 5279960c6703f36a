import { beforeAll, describe, expect, it } from 'vitest'
import {
  type Caller,
  requireAction,
  requireActor,
  requireRole,
  requireScope,
  requireTenant,
} from '../src/index.js'
import { createIssuer, type Issuer, refusal, verifierFor } from './issuer.js'

let issuer: Issuer
let caller: Caller

const callerWith = async (claims: object) =>
  verifierFor(issuer, { revocation: 'off' }).verify(await issuer.token({ ...claims }))

beforeAll(async () => {
  issuer = await createIssuer()
  caller = await callerWith({})
})

describe('requireScope', () => {
  it('lets in who has all of them', () => {
    requireScope(caller)
    requireScope(caller, 'docs:read')
    requireScope(caller, 'docs:write', 'docs:read')
  })

  it('names all that are needed, those that are there already too', async () => {
    expect(await refusal(() => requireScope(caller, 'docs:read', 'docs:admin'))).toMatchObject({
      code: 'insufficient_scope',
      status: 403,
      details: { scope: 'docs:read docs:admin' },
    })
  })

  it.each(['docs:writex', 'xdocs:read', 'DOCS:READ', 'docs', 'docs:read,docs:write', ''])(
    'takes whole words in their own case: a token with %j has not docs:read',
    async (scope) => {
      const other = await callerWith({ scope })
      expect(await refusal(() => requireScope(other, 'docs:read'))).toMatchObject({ status: 403 })
    },
  )

  it('is a mistake of the developer with something that is no scope', () => {
    expect(() => requireScope(caller, 'docs"')).toThrow(TypeError)
  })
})

describe('requireRole and requireTenant', () => {
  it('let in the right ones', () => {
    requireRole(caller, 'admin', 'agent')
    requireTenant(caller)
    requireTenant(caller, 'acme')
  })

  it('refuse the others', async () => {
    const none = await callerWith({ role: undefined, tenant_id: undefined })
    const wrongRole = { code: 'access_denied', status: 403, reason: 'wrong_role' }
    expect(await refusal(() => requireRole(caller, 'admin'))).toMatchObject(wrongRole)
    expect(await refusal(() => requireRole(caller, 'Agent'))).toMatchObject(wrongRole)
    expect(await refusal(() => requireRole(none, 'agent'))).toMatchObject(wrongRole)
    const wrongTenant = { code: 'access_denied', status: 403, reason: 'wrong_tenant' }
    expect(await refusal(() => requireTenant(caller, 'other'))).toMatchObject(wrongTenant)
    expect(await refusal(() => requireTenant(none))).toMatchObject(wrongTenant)
    expect(await refusal(() => requireTenant(none, 'acme'))).toMatchObject(wrongTenant)
  })
})

describe('requireActor', () => {
  const wrong = { code: 'access_denied', status: 403, reason: 'wrong_actor' }

  it('lets in the outermost actor', () => {
    requireActor(caller)
    requireActor(caller, 'other', 'researcher')
  })

  it('refuses a token on which only an inner actor matches', async () => {
    expect(await refusal(() => requireActor(caller, 'orchestrator'))).toMatchObject(wrong)
  })

  it('refuses a token without an actor, though its subject bears the name', async () => {
    const own = await callerWith({ sub: 'researcher', act: undefined })
    expect(own.actor).toBe('researcher')
    expect(await refusal(() => requireActor(own, 'researcher'))).toMatchObject(wrong)
    expect(await refusal(() => requireActor(own))).toMatchObject(wrong)
  })
})

describe('requireAction', () => {
  it('lets in what the patterns cover, and everything where there are none', async () => {
    requireAction(caller, 'docs.read')
    const unlimited = await callerWith({ agent_limits: undefined })
    requireAction(unlimited, 'mail.send')
  })

  it.each(['mail.send', 'docs', 'docsx.read', 'Docs.read'])('refuses %s', async (action) => {
    expect(await refusal(() => requireAction(caller, action))).toMatchObject({
      code: 'action_not_allowed',
      status: 403,
    })
  })

  it('refuses all where the list is empty', async () => {
    const none = await callerWith({ agent_limits: { allowed_actions: [] } })
    expect(await refusal(() => requireAction(none, 'docs.read'))).toMatchObject({ status: 403 })
  })
})
