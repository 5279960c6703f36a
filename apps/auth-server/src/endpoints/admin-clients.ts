/** Clients for admins, over HTTP. */
import type { Context, Handler } from 'hono'
import type { Caller } from '../delegations/parties.js'
import type { Deps } from '../deps.js'
import type { Env } from '../middleware/env.js'
import {
  addClient,
  removeClient,
  replaceClient,
  rotateSecret,
  showClient,
} from '../registration/admin-clients.js'
import { listClients } from '../registration/list-clients.js'

const callerOf = (c: Context<Env>): Caller => ({ client: c.var.client, scope: c.var.apiScope })

/** A client id can be a URL: it stands in the path percent-encoded, and the router decodes it. */
const idOf = (c: Context<Env>): string => c.req.param('client_id') ?? ''

export const addClientEndpoint = (deps: Deps): Handler<Env> =>
  async function addClientEndpoint(c) {
    return c.json(await addClient(c.var.members, callerOf(c), deps), 201)
  }

export const listClientsEndpoint = (deps: Deps): Handler<Env> =>
  async function listClientsEndpoint(c) {
    return c.json(await listClients(c.req.queries(), callerOf(c), deps))
  }

export const showClientEndpoint = (deps: Deps): Handler<Env> =>
  async function showClientEndpoint(c) {
    return c.json(await showClient(idOf(c), callerOf(c), deps))
  }

export const replaceClientEndpoint = (deps: Deps): Handler<Env> =>
  async function replaceClientEndpoint(c) {
    return c.json(await replaceClient(idOf(c), c.var.members, callerOf(c), deps))
  }

export const rotateSecretEndpoint = (deps: Deps): Handler<Env> =>
  async function rotateSecretEndpoint(c) {
    return c.json(await rotateSecret(idOf(c), c.var.members, callerOf(c), deps))
  }

export const removeClientEndpoint = (deps: Deps): Handler<Env> =>
  async function removeClientEndpoint(c) {
    await removeClient(idOf(c), callerOf(c), deps)
    return c.body(null, 204)
  }
