/** Delegations over HTTP: the live tree, why not, and taking back. */
import { delegationId } from '@behalf/protocol'
import type { Context, Handler } from 'hono'
import { notFound } from '../budgets/charge-rights.js'
import { checkDelegation } from '../delegations/check-delegation.js'
import { listDelegations } from '../delegations/list-delegations.js'
import type { Caller } from '../delegations/parties.js'
import { revokeAllOf, revokeDelegation } from '../delegations/revoke-delegations.js'
import type { Deps } from '../deps.js'
import type { Env } from '../middleware/env.js'

const callerOf = (c: Context<Env>): Caller => ({ client: c.var.client, scope: c.var.apiScope })

export const listDelegationsEndpoint = (deps: Deps): Handler<Env> =>
  async function listDelegationsEndpoint(c) {
    return c.json(await listDelegations(c.req.queries(), callerOf(c), deps))
  }

export const checkDelegationEndpoint = (deps: Deps): Handler<Env> =>
  async function checkDelegationEndpoint(c) {
    return c.json(await checkDelegation(c.var.form, c.var.client, deps))
  }

export const revokeDelegationEndpoint = (deps: Deps): Handler<Env> =>
  async function revokeDelegationEndpoint(c) {
    const id = delegationId.safeParse(c.req.param('id'))
    if (!id.success) throw notFound()
    return c.json(await revokeDelegation(id.data, callerOf(c), deps))
  }

export const revokeAllEndpoint = (deps: Deps): Handler<Env> =>
  async function revokeAllEndpoint(c) {
    return c.json(await revokeAllOf(c.var.json, callerOf(c), deps))
  }
