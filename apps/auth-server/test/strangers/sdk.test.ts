/** The MCP SDK, both generations: their own `auth()`, from a 401 to a tool that knows the person. */
import * as v2 from '@modelcontextprotocol/client'
import * as v1Auth from '@modelcontextprotocol/sdk/client/auth.js'
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport as HttpV1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { documentOf } from '../document-host.js'
import { decode } from '../harness.js'
import { ClientState, type ClientStateOptions } from './client-state.js'
import {
  openPlace,
  type Place,
  type publicClients,
  redirectUri,
  tokenRequestsPerMinute,
} from './place.js'

let place: Place
beforeAll(async () => {
  place = await openPlace()
})
afterAll(() => place.close())

/** What the tests use of a client, in every generation. */
interface Connection {
  call: (tool: string) => Promise<string>
  close: () => Promise<void>
}

interface Generation {
  name: string
  /** Registered by the operator. */
  clientId: (typeof publicClients)[number]
  auth: (state: ClientState, options?: { scope?: string }) => Promise<'AUTHORIZED' | 'REDIRECT'>
  /** Redeems what came back at the redirect URI. */
  finish: (state: ClientState, callback: URLSearchParams) => Promise<void>
  connect: (state: ClientState) => Promise<Connection>
  /** After a 403 that asks for more scope: sends the person to say yes to all of it. */
  askForMore: (state: ClientState) => Promise<void>
}

const info = { name: 'stranger', version: '1.0.0' }

interface ToolAnswer {
  content: { text?: string }[]
}

const textOf = (answer: unknown): string => (answer as ToolAnswer).content[0]?.text ?? ''

const v1: Generation = {
  name: 'v1',
  clientId: 'one',
  auth: (state, options) => v1Auth.auth(state, { serverUrl: place.resource, ...options }),
  finish: (state, callback) =>
    new HttpV1(new URL(place.resource), { authProvider: state }).finishAuth(
      callback.get('code') ?? '',
    ),
  connect: async (state) => {
    const client = new ClientV1(info)
    const transport = new HttpV1(new URL(place.resource), { authProvider: state })
    // The SDK's own class does not fit its interface under exactOptionalPropertyTypes.
    await client.connect(transport as Parameters<ClientV1['connect']>[0])
    return {
      call: async (name) => textOf(await client.callTool({ name })),
      close: () => client.close(),
    }
  },
  // With a refresh token it refreshes, gets what it had, and gives up: the application has to ask.
  askForMore: async (state) => {
    state.invalidateCredentials('tokens')
    await v1.auth(state, { scope: 'docs:read docs:write' })
  },
}

const v2With = (
  named: Pick<Generation, 'name' | 'clientId'>,
  options?: v2.ClientOptions,
): Generation => ({
  ...named,
  auth: (state, more) => v2.auth(state, { serverUrl: place.resource, ...more }),
  finish: (state, callback) =>
    new v2.StreamableHTTPClientTransport(new URL(place.resource), {
      authProvider: state,
    }).finishAuth(callback),
  connect: async (state) => {
    const client = new v2.Client(info, options)
    await client.connect(
      new v2.StreamableHTTPClientTransport(new URL(place.resource), { authProvider: state }),
    )
    return {
      call: async (tool) => textOf(await client.callTool({ name: tool })),
      close: () => client.close(),
    }
  },
  // It has done so already, with the union of what it had and what it was asked for.
  askForMore: async () => {},
})

/** The last of them speaks the protocol of 2026-07-28, which knows no session. */
const generations = [
  v1,
  v2With({ name: 'v2', clientId: 'two' }),
  v2With({ name: 'modern v2', clientId: 'three' }, { versionNegotiation: { mode: 'auto' } }),
]

/** The person goes where the client has sent them. @returns what the client is called back with */
const visit = async (state: ClientState): Promise<URLSearchParams> => {
  const url = state.sentTo.at(-1)
  if (!url) throw new Error('nobody was sent anywhere')
  const callback = await place.createVisitor().visit(url)
  expect(callback.origin + callback.pathname).toBe(redirectUri)
  return callback.searchParams
}

const registered = ({ clientId }: Generation): ClientStateOptions => ({
  registered: { client_id: clientId, issuer: place.issuer },
})

/** A client that a person has said yes to. */
const authorize = async (generation: Generation, options = registered(generation)) => {
  const state = new ClientState(options)
  await expect(generation.connect(state)).rejects.toThrow('Unauthorized')
  const callback = await visit(state)
  await generation.finish(state, callback)
  return { state, callback }
}

/** Beside it, what follows shows that clients ask for what the challenge says and for no more. */
test('the issuer lists more scopes for everybody than a client asks for at first', async () => {
  const response = await fetch(`${place.issuer}/.well-known/oauth-authorization-server`)
  const { scopes_supported } = (await response.json()) as Record<string, unknown>
  expect(scopes_supported).toEqual(['openid', 'profile', 'email', 'docs:read', 'docs:write'])
})

describe.each(generations)('a $name client', (generation) => {
  test('finds its way from the 401 to the person and back to the tool', async () => {
    const { state, callback } = await authorize(generation)
    expect(Object.fromEntries(state.sentTo[0]?.searchParams ?? [])).toMatchObject({
      client_id: generation.clientId,
      code_challenge_method: 'S256',
      resource: place.resource,
      scope: 'docs:read',
      redirect_uri: redirectUri,
    })
    expect(callback.get('iss')).toBe(place.issuer)
    expect(callback.get('state')).toBe(state.state())
    expect(decode(state.kept?.access_token ?? '')).toMatchObject({
      iss: place.issuer,
      aud: place.resource,
      scope: 'docs:read',
      client_id: generation.clientId,
    })
    const connection = await generation.connect(state)
    expect(await connection.call('whoami')).toMatch(
      new RegExp(`^usr_\\S+ by ${generation.clientId}$`),
    )
    expect(await connection.call('search')).toBe('found')
    await connection.close()
  })

  test('is known by the document that it publishes about itself', async () => {
    const clientMetadataUrl = `https://${generation.name.replace(' ', '-')}.example.test/client.json`
    place.documents.serve(
      clientMetadataUrl,
      documentOf(clientMetadataUrl, { redirect_uris: [redirectUri] }),
    )
    const { state } = await authorize(generation, { clientMetadataUrl })
    expect(state.client?.client_id).toBe(clientMetadataUrl)
    const connection = await generation.connect(state)
    expect(await connection.call('whoami')).toMatch(new RegExp(` by ${clientMetadataUrl}$`))
    await connection.close()
    expect(await generation.auth(state)).toBe('AUTHORIZED')
  })

  test('registers itself where nobody knows it', async () => {
    const { state } = await authorize(generation, {})
    expect(state.client).toMatchObject({
      client_id: expect.stringMatching(/^dyn_/),
      issuer: place.issuer,
      redirect_uris: [redirectUri],
    })
    const connection = await generation.connect(state)
    expect(await connection.call('whoami')).toMatch(/^usr_\S+ by dyn_\S+$/)
    await connection.close()
  })

  test('gets another token for its refresh token, and another refresh token with it', async () => {
    const { state } = await authorize(generation)
    const first = state.kept
    expect(await generation.auth(state)).toBe('AUTHORIZED')
    expect(state.kept?.refresh_token).not.toBe(first?.refresh_token)
    expect(state.kept?.access_token).not.toBe(first?.access_token)
    const connection = await generation.connect(state)
    expect(await connection.call('search')).toBe('found')
    await connection.close()
  })

  test('refreshes twice at the same moment, and loses nothing', async () => {
    const { state } = await authorize(generation)
    const twin = Object.assign(new ClientState(registered(generation)), { kept: state.kept })
    const answers = await Promise.all([generation.auth(state), generation.auth(twin)])
    expect(answers).toEqual(['AUTHORIZED', 'AUTHORIZED'])
    expect(twin.kept?.refresh_token).toBe(state.kept?.refresh_token)
    expect(await generation.auth(state)).toBe('AUTHORIZED')
    expect([state.dropped, twin.dropped]).toEqual([[], []])
  })

  test('asks the person again when they have taken it back', async () => {
    const { state } = await authorize(generation)
    await fetch(`${place.issuer}/revoke`, {
      method: 'POST',
      body: new URLSearchParams({
        client_id: generation.clientId,
        token: state.kept?.refresh_token ?? '',
      }),
    })
    expect(await generation.auth(state)).toBe('REDIRECT')
    expect(state.dropped).toEqual(['tokens'])
    expect(state.client).toBeDefined()
    await generation.finish(state, await visit(state))
    const connection = await generation.connect(state)
    expect(await connection.call('search')).toBe('found')
    await connection.close()
  })

  test('keeps all that it has when it asks too often', async () => {
    const { state } = await authorize(generation, {})
    const kept = state.kept
    const client_id = state.client?.client_id ?? ''
    const ask = async () =>
      (
        await fetch(`${place.issuer}/token`, {
          method: 'POST',
          body: new URLSearchParams({ client_id }),
        })
      ).status
    for (let n = 0; n < tokenRequestsPerMinute; n += 1) await ask()
    expect(await ask()).toBe(429)
    await expect(generation.auth(state)).rejects.toThrow('Too many requests of this client.')
    expect([state.dropped, state.kept, state.sentTo.length]).toEqual([[], kept, 1])
    const connection = await generation.connect(state)
    expect(await connection.call('search')).toBe('found')
    await connection.close()
  })

  test('is told at its redirect URI that the person said no', async () => {
    const state = new ClientState({})
    expect(await generation.auth(state)).toBe('REDIRECT')
    const visitor = place.createVisitor()
    const { searchParams } = await visitor.visit(state.sentTo[0] ?? '', 'deny')
    expect(searchParams.get('error')).toBe('access_denied')
    expect(searchParams.get('iss')).toBe(place.issuer)
    expect(searchParams.get('code')).toBeNull()
  })

  test.each([
    ['that the operator registered', registered],
    ['that registered itself', () => ({})],
  ])('%s gets more scope when a tool needs it and the person agrees', async (_, options) => {
    const { state } = await authorize(generation, options(generation))
    const before = await generation.connect(state)
    await expect(before.call('publish')).rejects.toThrow()
    await before.close()
    await generation.askForMore(state)
    expect(state.sentTo.at(-1)?.searchParams.get('scope')).toBe('docs:read docs:write')
    const visitor = place.createVisitor()
    const { searchParams } = await visitor.visit(state.sentTo.at(-1) ?? '')
    expect(visitor.consentPage()).toContain('docs:write')
    await generation.finish(state, searchParams)
    const after = await generation.connect(state)
    expect(await after.call('publish')).toBe('docs:read docs:write')
    expect(await after.call('search')).toBe('found')
    await after.close()
  })
})

describe.each(generations.slice(1))('a $name client and the issuer of an answer', (generation) => {
  test.each([
    ['another issuer', 'https://evil.example.test'],
    ['the issuer with a slash', '/'],
    ['no issuer', undefined],
  ])('%s is not believed', async (_, said) => {
    const state = new ClientState(registered(generation))
    expect(await generation.auth(state)).toBe('REDIRECT')
    const callback = await visit(state)
    if (said === undefined) callback.delete('iss')
    else callback.set('iss', said === '/' ? `${place.issuer}/` : said)
    await expect(generation.finish(state, callback)).rejects.toBeInstanceOf(v2.IssuerMismatchError)
    expect(state.kept).toBeUndefined()
  })
})
