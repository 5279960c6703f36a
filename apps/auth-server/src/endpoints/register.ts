/** Client registration over HTTP. RFC 7591 §3, RFC 7592 §2. */
import type { Context, Handler } from 'hono'
import type { Deps } from '../deps.js'
import type { Env } from '../middleware/env.js'
import {
  type ConfigurationRequest,
  readRegistration,
  removeRegistration,
  replaceRegistration,
} from '../registration/client-configuration.js'
import { registerClient } from '../registration/dynamic-registration.js'

const requestOf = (c: Context<Env>): ConfigurationRequest => ({
  clientId: c.req.param('client_id') ?? '',
  authorization: c.req.header('authorization'),
})

export const registerEndpoint = (deps: Deps): Handler<Env> =>
  async function registerEndpoint(c) {
    return c.json(await registerClient(c.var.members, deps), 201)
  }

export const readRegistrationEndpoint = (deps: Deps): Handler<Env> =>
  async function readRegistrationEndpoint(c) {
    return c.json(await readRegistration(requestOf(c), deps))
  }

export const replaceRegistrationEndpoint = (deps: Deps): Handler<Env> =>
  async function replaceRegistrationEndpoint(c) {
    return c.json(await replaceRegistration(requestOf(c), c.var.members, deps))
  }

export const removeRegistrationEndpoint = (deps: Deps): Handler<Env> =>
  async function removeRegistrationEndpoint(c) {
    await removeRegistration(requestOf(c), deps)
    return c.body(null, 204)
  }
