/** Servers on stdio: their caller comes from the environment, and is verified as over HTTP. */
import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { Client as ClientV2 } from '@modelcontextprotocol/client'
import { StdioClientTransport as StdioV2 } from '@modelcontextprotocol/client/stdio'
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport as StdioV1 } from '@modelcontextprotocol/sdk/client/stdio.js'
import { InMemoryTransport, McpServer } from '@modelcontextprotocol/server'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { protectMcp } from '../src/server.js'
import { guardStdio, tokenFromEnvironment } from '../src/stdio.js'
import { type AuthServer, secretOf, startAuthServer } from './auth-server.js'
import { type AnyClient, call, textOf } from './world.js'

const program = fileURLToPath(new URL('stdio-server.mjs', import.meta.url))
const resource = 'http://127.0.0.1:9/mcp'
const info = { name: 'desktop', version: '1.0.0' }

const agent = (client_id: string) => ({
  client_id,
  kind: 'agent',
  tenant_id: 'acme',
  client_secret: secretOf(client_id),
  grant_types: ['client_credentials'],
  scope: 'docs:read',
  resources: [resource],
})

let auth: AuthServer
beforeAll(async () => {
  auth = await startAuthServer({
    tenants: [{ tenant_id: 'acme' }],
    resources: [{ resource, tenant_id: 'acme', scopes_supported: ['docs:read', 'docs:write'] }],
    clients: [agent('desktop'), agent('fired')],
  })
}, 30_000)
afterAll(() => auth.stop())

const environment = (clientId: string, secret = secretOf(clientId)) => ({
  PATH: process.env.PATH ?? '',
  RESOURCE: resource,
  OAUTH_AUTH_URL: auth.issuer,
  OAUTH_CLIENT_ID: clientId,
  OAUTH_CLIENT_SECRET: secret,
})

const spawned = (server: string, env: Record<string, string>) => ({
  command: process.execPath,
  args: [program, server],
  env,
  stderr: 'ignore' as const,
})

const v1 = async (server: string, env: Record<string, string>): Promise<AnyClient> => {
  const client = new ClientV1(info)
  await client.connect(new StdioV1(spawned(server, env)))
  return client
}

const v2 = async (server: string, env: Record<string, string>): Promise<AnyClient> => {
  const client = new ClientV2(info)
  await client.connect(new StdioV2(spawned(server, env)))
  return client
}

const modern = async (server: string, env: Record<string, string>): Promise<AnyClient> => {
  const client = new ClientV2(info, { versionNegotiation: { mode: 'auto' } })
  await client.connect(new StdioV2(spawned(server, env)))
  return client
}

describe.each([
  ['v1', 'v1', v1],
  ['v2', 'v1', v2],
  ['v1', 'v2', v1],
  ['v2', 'v2', v2],
  ['modern v2', 'v2', modern],
] as const)('a %s client that spawns a %s server', (_, server, connect) => {
  test('is known to its tools by the credentials in the environment', async () => {
    const client = await connect(server, environment('desktop'))
    expect(textOf(await call(client, 'whoami'))).toBe('desktop')
    const refused = await call(client, 'publish')
    expect(refused.isError).toBe(true)
    expect(textOf(refused)).toContain('docs:write')
    await client.close()
  }, 20_000)
})

test('a v1 server with a wrong secret says so in one sentence, and ends with 1', async () => {
  const child = spawn(process.execPath, [program, 'v1'], { env: environment('desktop', 'wrong') })
  const said = text(child.stderr)
  const code = new Promise((resolve) => child.once('exit', resolve))
  expect(await said).toMatch(/^This server did not start, [^\n]*\(invalid_client\)\n$/)
  expect(await code).toBe(1)
}, 20_000)

test('a server with a wrong secret does not start', async () => {
  await expect(v1('v1', environment('desktop', 'wrong'))).rejects.toThrow()
}, 20_000)

/** In one process, to take the token back while the server runs. */
const connectInProcess = async (token: () => Promise<string>) => {
  const guard = protectMcp({ issuer: auth.issuer, resource })
  const server = new McpServer(info)
  server.registerTool(
    'whoami',
    {},
    guard.tool({}, (_, { actor }) => ({ content: [{ type: 'text', text: actor }] })),
  )
  const [near, far] = InMemoryTransport.createLinkedPair()
  await guardStdio(server, { guard, token }).connect(far)
  const client = new ClientV2(info)
  await client.connect(near)
  return { client, stop: () => Promise.all([client.close(), guard.close()]) }
}

test('a token that is taken back is refused from then on, in words and not by a hang', async () => {
  const token = await auth.token('fired', resource)
  const { client, stop } = await connectInProcess(async () => token)
  expect(textOf(await call(client, 'whoami'))).toBe('fired')
  await auth.revoke('fired', token)
  const refusal = () => call(client, 'whoami').then(textOf, (error) => error)
  await expect.poll(refusal, { timeout: 8_000 }).toMatchObject({
    code: -32_003,
    data: { error: 'invalid_token', error_detail: 'token_revoked' },
  })
  await stop()
}, 20_000)

test('a server whose token is not good does not connect', async () => {
  await expect(connectInProcess(async () => 'not-a-token')).rejects.toMatchObject({
    code: 'invalid_token',
  })
})

test('no request overtakes another while its caller is verified', async () => {
  const token = await auth.token('desktop', resource)
  let asked = 0
  let release = (): void => undefined
  let gate = Promise.resolve()
  const { client, stop } = await connectInProcess(async () => {
    asked += 1
    await gate
    return token
  })
  const before = asked
  gate = new Promise((resolve) => {
    release = resolve
  })
  const calls = [call(client, 'whoami'), call(client, 'whoami')]
  await expect.poll(() => asked).toBe(before + 1)
  await new Promise(setImmediate)
  expect(asked).toBe(before + 1)
  release()
  expect((await Promise.all(calls)).map(textOf)).toEqual(['desktop', 'desktop'])
  await stop()
})

test('the token is renewed by whoever gives it, and asked for each request', async () => {
  let asked = 0
  const { client, stop } = await connectInProcess(async () => {
    asked += 1
    return auth.token('desktop', resource)
  })
  const before = asked
  await call(client, 'whoami')
  await call(client, 'whoami')
  expect(asked).toBe(before + 2)
  await stop()
})

test('trouble of our own is told without its words', async () => {
  let isBroken = false
  const { client, stop } = await connectInProcess(async () => {
    if (isBroken) throw new Error('a secret of the machine')
    return auth.token('desktop', resource)
  })
  isBroken = true
  await expect(call(client, 'whoami')).rejects.toMatchObject({
    code: -32_003,
    message: expect.not.stringContaining('secret'),
    data: { error: 'temporarily_unavailable' },
  })
  await stop()
})

test('what the environment lacks is named, and its values are not', () => {
  const { OAUTH_CLIENT_SECRET: secret, ...without } = environment('desktop')
  expect(() => tokenFromEnvironment(without, { resource })).toThrow(
    /OAUTH_CLIENT_SECRET is not set/,
  )
  const wrong = { ...without, OAUTH_CLIENT_SECRET: secret, OAUTH_AUTH_URL: `${auth.issuer}/` }
  expect(() => tokenFromEnvironment(wrong, { resource })).toThrow(/OAUTH_AUTH_URL must be/)
})
