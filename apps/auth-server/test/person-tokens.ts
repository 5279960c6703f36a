/** Access tokens for people, with a delegation behind them that lives in the database. */
import { delegations } from '../src/store/schema.js'
import { docs, issuer, type TestServer } from './harness.js'

/** @param claims take the place of those that it would have; `undefined` takes one away */
export const personToken = async (server: TestServer, claims: object = {}) => {
  const { deps, database, clock } = server
  const id = deps.newId('dlg')
  await database.drizzle.insert(delegations).values({
    id,
    lineage: [id],
    tenantId: 'acme',
    subject: 'usr_alice',
    actor: 'desktop',
    scope: ['openid', 'profile', 'email', 'docs:read'],
    resources: [docs],
    limits: {},
    budgetIds: ['tenant:acme'],
    createdAt: clock.now(),
  })
  const token = deps.keys.sign('at+jwt', {
    iss: issuer,
    sub: 'usr_alice',
    aud: [docs, issuer],
    client_id: 'desktop',
    scope: 'openid profile email docs:read',
    iat: clock.seconds(),
    exp: clock.seconds() + 900,
    jti: deps.newId('at'),
    tenant_id: 'acme',
    agent_lineage: [id],
    ...claims,
  })
  return { token, delegationId: id }
}
