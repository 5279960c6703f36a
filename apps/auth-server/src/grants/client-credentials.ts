/** The client acts for itself. RFC 6749 §4.4. */
import {
  type Authority,
  intersectScope,
  narrow,
  narrowingReport,
  parseScope,
} from '@behalf/protocol'
import { type Deps, toSeconds } from '../deps.js'
import type { Client } from '../store/clients.js'
import { checkConfidential, type Grant } from './grant.js'
import { requestedTargets, scopesOf } from './target.js'

/** Any confidential client may have a token for this server; for resources, those it is given. */
const targetsOf = (client: Client, requested: string[] | undefined, issuer: string): string[] => {
  if (requested?.[0] === issuer) return [issuer]
  return requested ?? (client.resources.length === 1 ? [...client.resources] : [])
}

const standingAuthority = async (client: Client, targets: string[], deps: Deps) => {
  const forServer = targets[0] === deps.issuer
  const allowed: Authority = {
    scope: forServer ? client.api_scope : client.scope,
    resources: forServer ? [deps.issuer] : client.resources,
    limits: client.agent_limits,
    expiresAt: toSeconds(deps.now()) + deps.lifetimes.ownToken,
  }
  // Checks the targets before anything is looked up for them.
  const { resources } = narrow(allowed, { resources: targets, hop: false, overAsk: 'trim' })
  const supported = await scopesOf(resources, client.tenant_id, deps)
  return { ...allowed, resources, scope: intersectScope(allowed.scope, supported) }
}

export const clientCredentials: Grant = async ({ client, form }, deps) => {
  checkConfidential(client)
  const wanted = form.get('scope')
  const scope = wanted === undefined ? undefined : parseScope(wanted)
  const targets = targetsOf(client, await requestedTargets(form, deps), deps.issuer)
  const authority = await standingAuthority(client, targets, deps)
  const granted = narrow(authority, { scope, hop: false, overAsk: 'trim' })
  const root =
    client.root_delegation_id ??
    (await deps.store.delegations.ensureRoot(client, deps.newId('dlg'), deps.now()))
  return {
    kind: 'access_token',
    subject: client.client_id,
    actor: client,
    act: undefined,
    mayAct: undefined,
    tenantId: client.tenant_id,
    audience: granted.resources,
    scope: granted.scope,
    limits: granted.limits,
    expiresAt: granted.expiresAt,
    lineage: [root],
    newDelegation: undefined,
    parentJti: undefined,
    narrowed: narrowingReport({ scope }, granted),
    exchanged: false,
  }
}
