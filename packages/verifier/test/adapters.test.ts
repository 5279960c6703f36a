/// <reference types="node" />
import { request as httpRequest, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { OAuthError } from '@behalf/protocol'
import express from 'express'
import { Hono } from 'hono'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { behalfErrors, callerOf, behalf as expressBehalf } from '../src/express.js'
import { type BehalfEnv, behalf } from '../src/hono.js'
import { requireRole, type Verifier } from '../src/index.js'
import { createIssuer, type Issuer, verifierFor } from './issuer.js'

let issuer: Issuer
let verifier: Verifier
let authorization: string

beforeEach(async () => {
  issuer = await createIssuer()
  verifier = verifierFor(issuer, { revocation: 'off' })
  const agent_limits = { requests_per_hour: 2 }
  authorization = `Bearer ${await issuer.token({ agent_limits })}`
})

describe('behalf for Hono', () => {
  const makeApp = () =>
    new Hono<BehalfEnv>()
      .use('/docs/*', behalf(verifier, { scope: 'docs:read' }))
      .get('/docs/me', (c) => c.text(c.get('caller').actor))
      .get('/docs/admin', (c) => {
        requireRole(c.get('caller'), 'admin')
        return c.text('admin')
      })
      .get('/docs/broken', () => {
        throw new Error('broken')
      })
      .use('/write/*', behalf(verifier, { scope: ['docs:read', 'docs:admin'] }))
      .get('/write/x', (c) => c.text('written'))

  const get = (path: string, headers: Record<string, string> = { authorization }) =>
    makeApp().request(path, { headers })

  it('hands the caller to the handler', async () => {
    expect(await (await get('/docs/me')).text()).toBe('researcher')
  })

  it('answers for the handler, which never runs', async () => {
    const response = await get('/docs/me', {})
    expect(response.status).toBe(401)
    expect(response.headers.get('www-authenticate')).toBe('Bearer scope="docs:read"')
    expect((await get('/write/x')).status).toBe(403)
  })

  it('answers what the handler refuses', async () => {
    const silence = vi.spyOn(console, 'error').mockImplementation(() => undefined)
    const response = await get('/docs/admin')
    expect(response.status).toBe(403)
    expect(await response.json()).toMatchObject({ error_detail: 'wrong_role' })
    expect((await get('/docs/broken')).status).toBe(500)
    silence.mockRestore()
  })

  it('leaves alone what the app has answered itself', async () => {
    const app = makeApp().onError((_error, c) => c.text('mine', 418))
    expect((await app.request('/docs/admin', { headers: { authorization } })).status).toBe(418)
  })

  it('counts every request', async () => {
    const app = makeApp()
    const statuses = []
    for (let index = 0; index < 3; index += 1) {
      statuses.push((await app.request('/docs/me', { headers: { authorization } })).status)
    }
    expect(statuses).toEqual([200, 200, 429])
  })

  it('refuses a scope that is none when the route is made', () => {
    expect(() => behalf(verifier, { scope: 'a"b' })).toThrow(TypeError)
  })
})

describe('behalf for Express', () => {
  let server: Server
  let base: string

  beforeEach(async () => {
    const app = express()
    const guard = expressBehalf(verifier, { scope: 'docs:read' })
    app.get('/me', guard, (req, res) => {
      res.send(callerOf(req).actor)
    })
    app.get('/admin', guard, (req, res) => {
      requireRole(callerOf(req), 'admin')
      res.send('admin')
    })
    app.get('/open', (req, res) => {
      res.send(callerOf(req).actor)
    })
    app.get('/half', guard, (_req, res) => {
      res.write('half')
      throw new OAuthError('access_denied')
    })
    app.use(behalfErrors(verifier))
    app.use((_e: unknown, _q: express.Request, res: express.Response, _n: express.NextFunction) => {
      if (res.headersSent) res.end('!')
      else res.status(500).send('mine')
    })
    await new Promise<void>((resolve) => {
      server = app.listen(0, '127.0.0.1', () => resolve())
    })
    base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  })
  afterEach(() => {
    server.closeAllConnections()
    server.close()
  })

  const get = (path: string, headers: Record<string, string> = { authorization }) =>
    fetch(`${base}${path}`, { headers })

  it('hands the caller to the handler', async () => {
    expect(await (await get('/me')).text()).toBe('researcher')
  })

  it('answers for the handler, which never runs', async () => {
    const response = await get('/me', {})
    expect(response.status).toBe(401)
    expect(response.headers.get('www-authenticate')).toBe('Bearer scope="docs:read"')
    expect((await get('/me', { authorization: 'Bearer x' })).status).toBe(401)
  })

  it('answers what the handler refuses, and passes on what is no refusal', async () => {
    const response = await get('/admin')
    expect(response.status).toBe(403)
    expect(response.headers.get('content-type')).toBe('application/problem+json')
    expect(await response.json()).toMatchObject({ error: 'access_denied' })
    expect(await (await get('/open')).text()).toBe('mine')
  })

  it('does not answer twice', async () => {
    const next = vi.fn()
    const error = new OAuthError('access_denied')
    const response = { headersSent: true, statusCode: 200, setHeader: vi.fn(), end: vi.fn() }
    await behalfErrors(verifier)(error, { headers: {} }, response, next)
    expect(next).toHaveBeenCalledWith(error)
    expect(response.end).not.toHaveBeenCalled()
    expect(await (await get('/half')).text()).toBe('half!')
  })

  it('counts every request', async () => {
    expect((await get('/me')).status).toBe(200)
    expect((await get('/me')).status).toBe(200)
    const response = await get('/me')
    expect(response.status).toBe(429)
    expect(response.headers.get('ratelimit-policy')).toBe('"requests_per_hour";q=2;w=3600')
  })

  it('refuses two Authorization headers, of which node itself would drop one', async () => {
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const headers = ['Host', 'x', 'Authorization', authorization, 'Authorization', 'Bearer x']
      const request = httpRequest(`${base}/me`, { headers }, (response) => {
        response.resume()
        resolve(response.statusCode)
      })
      request.on('error', reject)
      request.end()
    })
    expect(status).toBe(401)
  })
})
