/** Every face of the guard, with the real framework behind it. */
import { request } from 'node:http'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { protectMcp } from '../src/server.js'
import { faces } from './faces.js'
import { credentialsOf, openPlaces, type Places, serverOf } from './places.js'
import { call, connectModern, connectV1, connectV2, textOf, withToken } from './world.js'

let places: Places
beforeAll(async () => {
  places = await openPlaces(faces)
}, 60_000)
afterAll(() => places.stop())

const bearer = (token: string) => ({ Authorization: `Bearer ${token}` })

const send = (url: string, message: object, headers: Record<string, string> = {}) =>
  fetch(url, {
    method: 'POST',
    headers: {
      Accept: 'application/json, text/event-stream',
      'Content-Type': 'application/json',
      'MCP-Protocol-Version': '2025-11-25',
      ...headers,
    },
    body: JSON.stringify(message),
  })

/** As a page whose name was made to resolve to this machine: `fetch` sets the header by itself. */
const statusAs = (url: string, headers: Record<string, string>): Promise<number | undefined> =>
  new Promise((resolve, reject) => {
    const asked = request(url, { method: 'POST', headers }, (response) => {
      response.resume()
      resolve(response.statusCode)
    })
    asked.on('error', reject)
    asked.end('{}')
  })

const initialize = {
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: {
    protocolVersion: '2025-11-25',
    capabilities: {},
    clientInfo: { name: 'test', version: '1.0.0' },
  },
}
const callTool = (name: string) => ({
  jsonrpc: '2.0',
  id: 1,
  method: 'tools/call',
  params: { name, arguments: {} },
})

const clients = [
  { client: 'v1', connect: connectV1 },
  { client: 'v2', connect: connectV2 },
  { client: 'modern v2', connect: connectModern },
]

describe.each(faces)('$name', ({ name, generation, hasSessions }) => {
  const place = () => places.at(name)
  const tokenOf = (clientId: string) => places.auth.token(clientId, place().url)
  const metadataUrl = () => place().guard.resourceMetadataUrl

  test.each(clients)('a $client client reaches its tool as itself', async ({ connect }) => {
    const client = await connect(place().url, withToken(await tokenOf('reader')))
    expect(textOf(await call(client, 'whoami'))).toBe('reader')
    await client.close()
  })

  test('what the SDK hands on names the caller and has no token in it', async () => {
    const token = await tokenOf('reader')
    const client = await connectV1(place().url, withToken(token))
    const handed = textOf(await call(client, 'raw'))
    expect(JSON.parse(handed)).toMatchObject({
      clientId: 'reader',
      scopes: ['docs:read'],
      extra: { subject: 'reader', tenantId: 'acme', caller: { actor: 'reader' } },
    })
    expect(handed).not.toContain(token.split('.')[2])
    await client.close()
  })

  test('asks for a token whatever the method and the message', async () => {
    const { url } = place()
    const batch = [callTool('whoami'), callTool('whoami')]
    const notification = { jsonrpc: '2.0', method: 'notifications/initialized' }
    const answers = [
      await send(url, initialize),
      await send(url, callTool('whoami')),
      await send(url, { jsonrpc: '2.0', id: 1, method: 'tools/list' }),
      await send(url, batch),
      await send(url, notification),
      await send(url, callTool('whoami'), bearer('x')),
      await fetch(url, { headers: { Accept: 'text/event-stream' } }),
      await fetch(url, { method: 'DELETE' }),
    ]
    for (const { status, headers } of answers) {
      expect(status).toBe(401)
      const challenge = headers.get('www-authenticate')
      expect(challenge).toContain(`resource_metadata="${metadataUrl()}"`)
      expect(challenge).toContain('scope="docs:read docs:write"')
    }
  })

  test('is not there under another name, whoever asks', async () => {
    const { url } = place()
    const good = bearer(await tokenOf('reader'))
    const { port } = new URL(url)
    expect(await statusAs(url, { ...good, Host: `evil.example:${port}` })).toBe(403)
    expect(await statusAs(url, { Host: `evil.example:${port}` })).toBe(403)
    expect(await statusAs(url, { Host: `localhost:${port}` })).toBe(401)
  })

  test('serves its metadata at both locations, to any page', async () => {
    const { url } = place()
    for (const path of [metadataUrl(), new URL('/.well-known/oauth-protected-resource', url)]) {
      const response = await fetch(path, { headers: { Origin: 'https://app.example' } })
      expect(response.headers.get('access-control-allow-origin')).toBe('*')
      expect(await response.json()).toMatchObject({ resource: url })
    }
  })

  test('fits its issuer, and its own metadata as clients read it', async () => {
    await place().guard.verifyConfiguration({ ownMetadata: true })
  })

  test('a page that may call learns so before it has a token, and can read every answer', async () => {
    const { url } = place()
    const page = { Origin: 'http://localhost:6274' }
    const asks = { ...page, 'Access-Control-Request-Method': 'POST' }
    const preflight = await fetch(url, { method: 'OPTIONS', headers: asks })
    expect(preflight.status).toBe(204)
    expect(preflight.headers.get('access-control-allow-headers')).toContain('Authorization')
    const token = await tokenOf('reader')
    for (const headers of [page, { ...page, ...bearer(token) }]) {
      const answer = await send(url, initialize, headers)
      expect(answer.headers.get('access-control-allow-origin')).toBe(page.Origin)
      expect(answer.headers.get('access-control-expose-headers')).toContain('WWW-Authenticate')
      expect(await answer.text()).toBeDefined()
    }
    const evil = { ...asks, Origin: 'https://evil.example' }
    expect((await fetch(url, { method: 'OPTIONS', headers: evil })).status).toBe(403)
  })

  test.runIf(hasSessions)('a session is for who opened it, token or not', async () => {
    const { url } = place()
    const reader = bearer(await tokenOf('reader'))
    const writer = bearer(await tokenOf('writer'))
    const opened = await send(url, initialize, reader)
    const id = opened.headers.get('mcp-session-id') ?? ''
    expect(id).not.toBe('')
    await opened.text()
    const session = { 'Mcp-Session-Id': id }
    expect((await send(url, callTool('whoami'), session)).status).toBe(401)
    const stolen = await send(url, callTool('whoami'), { ...session, ...writer })
    expect(stolen.status).toBe(404)
    expect(await stolen.text()).not.toContain('reader')
    const stream = { Accept: 'text/event-stream', ...session, ...writer }
    expect((await fetch(url, { headers: stream })).status).toBe(404)
    expect(
      (await fetch(url, { method: 'DELETE', headers: { ...session, ...writer } })).status,
    ).toBe(404)
    const made = await send(url, callTool('whoami'), { 'Mcp-Session-Id': 'made-up', ...writer })
    expect(made.status).toBe(404)
    // A new token of the same caller is the same caller.
    const again = { ...session, ...bearer(await tokenOf('reader')) }
    expect(await (await send(url, callTool('whoami'), again)).text()).toContain('reader')
    expect((await fetch(url, { method: 'DELETE', headers: again })).status).toBe(200)
    expect((await send(url, callTool('whoami'), again)).status).toBe(404)
  })

  test.runIf(generation === 'v2')('a tool may ask for all that it needs by a 403', async () => {
    const { url } = place()
    const client = await connectV2(url, withToken(await tokenOf('writer')))
    expect(textOf(await call(client, 'publish'))).toBe('published')
    await client.close()
    const reader = bearer(await tokenOf('reader'))
    const opened = hasSessions ? await send(url, initialize, reader) : undefined
    const id = opened?.headers.get('mcp-session-id')
    const refused = await send(url, callTool('publish'), {
      ...reader,
      ...(id && { 'Mcp-Session-Id': id }),
    })
    expect(refused.status).toBe(403)
    const challenge = refused.headers.get('www-authenticate')
    expect(challenge).toContain('error="insufficient_scope"')
    expect(challenge).toContain('scope="docs:write docs:read"')
    expect(challenge).toContain(`resource_metadata="${metadataUrl()}"`)
  })
})

test('another secret than the issuer knows, and another spelling of the issuer, are found out', async () => {
  const [face] = faces
  const { url } = places.at(face?.name ?? '')
  const { issuer } = places.auth
  const client = { ...credentialsOf(serverOf(0)), clientSecret: 'another secret' }
  const wrong = protectMcp({ issuer, resource: url, client })
  await expect(wrong.verifyConfiguration()).rejects.toMatchObject({
    details: { mismatches: [{ name: 'client', found: 'status 401' }] },
  })
  const other = protectMcp({ issuer: issuer.replace('127.0.0.1', 'localhost'), resource: url })
  await expect(other.verifyConfiguration()).rejects.toMatchObject({
    details: { mismatches: [{ name: 'issuer' }] },
  })
})
