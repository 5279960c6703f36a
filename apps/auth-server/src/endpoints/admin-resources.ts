/** Protected resources for admins, over HTTP. */
import type { Context, Handler } from 'hono'
import type { Caller } from '../delegations/parties.js'
import type { Deps } from '../deps.js'
import type { Env } from '../middleware/env.js'
import {
  addResource,
  removeResource,
  replaceResource,
  showResource,
} from '../resources/admin-resources.js'
import { listResources } from '../resources/list-resources.js'
import { addKey, listKeys, revokeKeys } from '../resources/resource-keys.js'

const callerOf = (c: Context<Env>): Caller => ({ client: c.var.client, scope: c.var.apiScope })

const idOf = (c: Context<Env>): string => c.req.param('resource_id') ?? ''

export const addResourceEndpoint = (deps: Deps): Handler<Env> =>
  async function addResourceEndpoint(c) {
    return c.json(await addResource(c.var.members, callerOf(c), deps), 201)
  }

export const listResourcesEndpoint = (deps: Deps): Handler<Env> =>
  async function listResourcesEndpoint(c) {
    return c.json(await listResources(c.req.queries(), callerOf(c), deps))
  }

export const showResourceEndpoint = (deps: Deps): Handler<Env> =>
  async function showResourceEndpoint(c) {
    return c.json(await showResource(idOf(c), callerOf(c), deps))
  }

export const replaceResourceEndpoint = (deps: Deps): Handler<Env> =>
  async function replaceResourceEndpoint(c) {
    return c.json(await replaceResource(idOf(c), c.var.members, callerOf(c), deps))
  }

export const removeResourceEndpoint = (deps: Deps): Handler<Env> =>
  async function removeResourceEndpoint(c) {
    await removeResource(idOf(c), callerOf(c), deps)
    return c.body(null, 204)
  }

export const addKeyEndpoint = (deps: Deps): Handler<Env> =>
  async function addKeyEndpoint(c) {
    return c.json(await addKey(idOf(c), c.var.members, callerOf(c), deps), 201)
  }

export const listKeysEndpoint = (deps: Deps): Handler<Env> =>
  async function listKeysEndpoint(c) {
    return c.json(await listKeys(idOf(c), callerOf(c), deps))
  }

export const revokeKeysEndpoint = (deps: Deps): Handler<Env> =>
  async function revokeKeysEndpoint(c) {
    await revokeKeys(idOf(c), callerOf(c), deps)
    return c.body(null, 204)
  }
