/** Clients whose id is the URL of a document about them. OAuth Client ID Metadata Document. */
import { isOAuthError, type OAuthError } from '@behalf/protocol'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { findClient } from '../src/registration/find-client.js'
import type { Client } from '../src/store/clients.js'
import {
  type DocumentHost,
  documentOf,
  json,
  openDocumentHost,
  redirectUri,
} from './document-host.js'
import { baseConfig, docs, mail, openTestServer, secretOf, type TestServer } from './harness.js'

const configured = 'https://configured.example.test/client.json'

const documentConfig = {
  ...baseConfig,
  clients: [
    ...baseConfig.clients,
    {
      client_id: configured,
      kind: 'app',
      client_secret: secretOf('configured'),
      redirect_uris: ['https://configured.example.test/other'],
    },
  ],
  registration: {
    client_id_metadata_documents: {
      scope: 'docs:read docs:write',
      resources: [docs],
      tenant_id: 'acme',
    },
  },
}

let host: DocumentHost
let server: TestServer
beforeAll(async () => {
  host = await openDocumentHost()
  server = await openTestServer({ config: documentConfig, documentNetwork: host.network })
})
afterAll(async () => {
  await server.close()
  await host.close()
})

let made = 0
/** A URL that no other test has. */
// Below a public suffix, so that each is a site of its own. Nobody leaves this machine.
const freshUrl = (path = '/client.json'): string => {
  made += 1
  return `https://c${made}.github.io${path}`
}

/** As an authorization endpoint would: nothing but a fresh document counts. */
const find = (id: string, allowStale = false): Promise<Client | undefined> =>
  findClient(id, server.deps, { allowStale })

const refusal = async (id: string, allowStale = false): Promise<OAuthError> => {
  const outcome = await find(id, allowStale).catch((error: unknown) => error)
  if (!isOAuthError(outcome)) throw new Error(`${id} was not refused`)
  return outcome
}

const unavailable = {
  error: 'invalid_client',
  error_detail: 'metadata_document_unavailable',
}

describe('a good document', () => {
  test('becomes an app with the members that it states and what the operator allows', async () => {
    const id = freshUrl()
    host.serve(
      id,
      documentOf(id, { scope: 'docs:read admin', agent_limits: { cost_budget_usd: 1 } }),
    )
    expect(await find(id)).toMatchObject({
      client_id: id,
      registered_by: 'metadata_document',
      kind: 'app',
      tenant_id: 'acme',
      client_name: 'Example App',
      application_type: 'native',
      token_endpoint_auth_method: 'none',
      client_secret_hash: undefined,
      redirect_uris: [redirectUri, 'http://127.0.0.1:33418/'],
      grant_types: ['authorization_code', 'refresh_token'],
      scope: ['docs:read'],
      resources: [docs],
      api_scope: [],
      agent_limits: {},
      disabled: false,
      root_delegation_id: undefined,
    })
  })

  test('that names no scope can be given all that the operator allows, and no more', async () => {
    const id = freshUrl()
    host.serve(id, documentOf(id, { resources: [mail], tenant_id: 'globex', kind: 'agent' }))
    const client = await find(id)
    expect(client?.scope).toEqual(['docs:read', 'docs:write'])
    expect(client?.resources).toEqual([docs])
    expect([client?.tenant_id, client?.kind]).toEqual(['acme', 'app'])
  })

  test('is known at the token endpoint, where it has no grant but those of people', async () => {
    const id = freshUrl()
    host.serve(id, documentOf(id))
    const { status, body } = await server.post<Record<string, unknown>>(
      '/token',
      { grant_type: 'client_credentials', client_id: id },
      {},
    )
    expect([status, body.error]).toEqual([400, 'unauthorized_client'])
  })

  test('is asked for as itself: its own Host and name, JSON, not compressed', async () => {
    const id = freshUrl('/a/client?version=2')
    host.serve(id, documentOf(id))
    await find(id)
    const { headers } = host.requests.at(-1) ?? {}
    expect(headers).toMatchObject({
      host: new URL(id).host,
      accept: 'application/json',
      'accept-encoding': 'identity',
    })
    expect(headers).not.toHaveProperty('cookie')
    expect(headers).not.toHaveProperty('authorization')
  })

  test('may list its methods, and grants that are for other servers', async () => {
    const id = freshUrl()
    host.serve(
      id,
      documentOf(id, {
        token_endpoint_auth_method: 'private_key_jwt',
        token_endpoint_auth_methods_supported: ['private_key_jwt', 'none'],
        grant_types: ['authorization_code', 'urn:ietf:params:oauth:grant-type:device_code'],
      }),
    )
    expect((await find(id))?.grant_types).toEqual(['authorization_code'])
  })

  test('shows pages of its own host only', async () => {
    const id = freshUrl()
    const own = `https://${new URL(id).host}/logo.png`
    host.serve(
      id,
      documentOf(id, {
        logo_uri: own,
        client_uri: 'https://bank.example.test/',
        tos_uri: 'http://169.254.169.254/',
        policy_uri: 'javascript:alert(1)',
      }),
    )
    expect(await find(id)).toMatchObject({
      logo_uri: own,
      client_uri: undefined,
      tos_uri: undefined,
      policy_uri: undefined,
    })
    expect(host.requests.filter(({ url }) => url === own)).toEqual([])
  })

  test('does not replace a client that the operator has configured under its URL', async () => {
    host.serve(configured, documentOf(configured))
    const client = await find(configured)
    expect(client?.registered_by).toBe('config')
    expect(client?.redirect_uris).toEqual(['https://configured.example.test/other'])
    expect(host.reads(configured)).toBe(0)
  })
})

describe('a client_id that is no URL of a document', () => {
  test.each([
    'http://c.example.test/m.json',
    'HTTPS://c.example.test/m.json',
    'https://c.example.test',
    'https://c.example.test/',
    'https://c.example.test/m.json#f',
    'https://c.example.test/m.json#',
    'https://u:p@c.example.test/m.json',
    'https://u@c.example.test/m.json',
    'https://@c.example.test/m.json',
    'https://c.example.test/a/../m.json',
    'https://c.example.test/./m.json',
    'https://c.example.test/a/%2e%2e/m.json',
    'https://c.example.test/a/..',
    'https://c.example.test/..;/m.json',
    'https:///m.json',
    'https:c.example.test/m.json',
    'https://c.example.test:/m.json',
    'https://c.example.test:443/m.json',
    'https://c.example.test/m.json?',
    'https://c.example.test:/m.json?',
    'https://C.example.test/m.json',
    'https://c.example.test\\m.json',
    'https://127.0.0.1/m',
    'https://[::1]/m',
    'https://169.254.169.254/m',
    'https://10.0.0.1/m',
    'https://8.8.8.8/m',
    'https://[2606:4700::1111]/m',
    'https://[::ffff:10.0.0.1]/m',
    'https://[::ffff:a00:1]/m',
    'https://2130706433/m',
    'https://0x7f.1/m',
    'https://0177.0.0.1/m',
    'https://[fd00::1]/m',
    'https://[64:ff9b::7f00:1]/m',
    'https://localhost/m',
    'https://localhost./m',
    'https://c.example.test./m',
    'https://a.localhost/m',
    'https://printer.local/m',
    'https://metadata.google.internal/m',
    'https://intranet/m',
    'https://0/m',
    `https://c.example.test/${'a'.repeat(200)}`,
  ])('%s is refused, and nobody is asked about it', async (id) => {
    const before = host.lookups.length
    const error = await refusal(id)
    expect([error.code, error.status, error.reason]).toEqual([
      'invalid_client',
      400,
      'malformed_client_id_url',
    ])
    const answer = await server.post<Record<string, unknown>>(
      '/token',
      { grant_type: 'authorization_code', client_id: id },
      {},
    )
    expect([answer.status, answer.body.error]).toEqual([400, 'invalid_client'])
    expect(host.lookups.length).toBe(before)
  })
})

describe('an address', () => {
  test.each([
    ['127.0.0.1'],
    ['10.1.2.3'],
    ['169.254.169.254'],
    ['0.0.0.0'],
    ['::1'],
    ['::ffff:127.0.0.1'],
    ['64:ff9b::a9fe:a9fe'],
    ['fe80::1'],
    ['93.184.215.14', '192.168.1.1'],
    ['192.168.1.1', '93.184.215.14'],
  ])('addresses %s, %s are not connected to', async (...addresses) => {
    const id = freshUrl()
    host.name(new URL(id).hostname, addresses)
    const before = host.connections.length
    host.serve(id, documentOf(id))
    expect((await refusal(id)).toJSON()).toMatchObject(unavailable)
    expect(host.connections.length).toBe(before)
  })

  test('is the one that was checked, though the name leads elsewhere a moment later', async () => {
    const id = 'https://flip.rebind.test/client.json'
    host.name('flip.rebind.test', ['93.184.215.14'], ['127.0.0.1'])
    host.serve(id, documentOf(id))
    const [lookups, connections] = [host.lookups.length, host.connections.length]
    expect((await find(id))?.client_id).toBe(id)
    expect(host.lookups.slice(lookups)).toEqual(['flip.rebind.test'])
    expect(host.connections.slice(connections)).toEqual(['93.184.215.14:443'])
  })

  test('must prove the name of the client by its certificate', async () => {
    const id = 'https://other-name.example.org/client.json'
    host.serve(id, documentOf(id))
    expect((await refusal(id)).toJSON()).toMatchObject(unavailable)
    expect(host.reads(id)).toBe(0)
  })
})

describe('what is no document', () => {
  const text = (id: string) => JSON.stringify(documentOf(id))
  const cases: [string, (id: string) => Parameters<DocumentHost['serve']>[1]][] = [
    ['404', () => json({}, {}, 404)],
    ['410', (id) => json(documentOf(id), {}, 410)],
    ['201', (id) => json(documentOf(id), {}, 201)],
    ['500', () => json({}, {}, 500)],
    ['a redirect', () => json('', { Location: 'https://c.example.test/client.json' }, 302)],
    ['HTML', (id) => json(documentOf(id), { 'Content-Type': 'text/html' })],
    ['no JSON', () => json('{"client_id":')],
    ['an array', (id) => json([documentOf(id)])],
    ['a name that stands there twice', (id) => json(text(id).replace('{', '{"client_name":"B",'))],
    ['another client_id', (id) => json(documentOf(`${id}/`))],
    ['no client_id', (id) => json(documentOf(id, { client_id: undefined }))],
    ['more than 5 KiB', (id) => json(documentOf(id, { padding: 'x'.repeat(6000) }))],
    ['compressed', (id) => json(documentOf(id), { 'Content-Encoding': 'gzip' })],
    ['a large header', (id) => json(documentOf(id), { 'X-Padding': 'x'.repeat(20_000) })],
    [
      'without an end',
      () => (_, response) => {
        response.writeHead(200, { 'Content-Type': 'application/json' })
        const more = () => {
          if (!response.destroyed && response.write(' '.repeat(4096))) setImmediate(more)
        }
        response.on('drain', more)
        more()
      },
    ],
    [
      'drop by drop',
      (id) => (_, response) => {
        response.writeHead(200, { 'Content-Type': 'application/json' })
        const letters = [...text(id)]
        const timer = setInterval(() => response.write(letters.shift() ?? ' '), 20)
        response.on('close', () => clearInterval(timer))
      },
    ],
    ['cut short', () => (_, response) => response.socket?.destroy()],
  ]

  test('and every way not to be there look and last the same', async () => {
    const named = cases.map(([, answer]) => {
      const id = freshUrl()
      return host.serve(id, answer(id))
    })
    const closed = 'https://ports.example.test:1/client.json'
    const open = 'https://ports.example.test:22/client.json'
    const nameless = freshUrl()
    host.name(new URL(nameless).hostname, [])
    const inside = freshUrl()
    host.name(new URL(inside).hostname, ['10.0.0.1'])
    const seen = await Promise.all(
      [...named, closed, open, nameless, inside].map(async (id) => {
        const startedAt = performance.now()
        const { body, status } = await server.post<Record<string, unknown>>(
          '/token',
          { grant_type: 'authorization_code', client_id: id },
          {},
        )
        return { status, body, tookAtLeast: performance.now() - startedAt >= 390 }
      }),
    )
    const [first] = seen
    expect(first).toMatchObject({ status: 400, body: unavailable, tookAtLeast: true })
    expect(seen).toEqual(seen.map(() => first))
  })

  test('ends the connection instead of reading on', async () => {
    const sent = { bytes: 0 }
    const id = freshUrl()
    let closed = (): void => {}
    const end = new Promise<void>((resolve) => {
      closed = resolve
    })
    host.serve(id, (_, response) => {
      response.writeHead(200, { 'Content-Type': 'application/json' })
      response.on('close', closed)
      const timer = setInterval(() => {
        sent.bytes += 1024
        response.write(' '.repeat(1024))
      }, 5)
      response.on('close', () => clearInterval(timer))
    })
    await refusal(id)
    await end
    expect(sent.bytes).toBeLessThan(32 * 1024)
  })

  test.each([
    ['a name server that does not answer', 'https://silent.example.test/client.json'],
    ['a host that sends drop by drop', 'https://slow.example.test/client.json'],
    ['a host that says nothing', 'https://mute.example.test/client.json'],
  ])('is not waited for: %s', async (_, id) => {
    host.serve('https://mute.example.test/client.json', () => {})
    host.serve('https://slow.example.test/client.json', (__, response) => {
      response.writeHead(200, { 'Content-Type': 'application/json' })
      const timer = setInterval(() => response.write(' '), 20)
      response.on('close', () => clearInterval(timer))
    })
    const startedAt = performance.now()
    expect((await refusal(id)).toJSON()).toMatchObject(unavailable)
    // The limit is 400; the rest is for a busy machine.
    expect(performance.now() - startedAt).toBeLessThan(3000)
  })

  test('is not remembered: the next one counts at once', async () => {
    const id = freshUrl()
    host.serve(id, json({}, { 'Cache-Control': 'max-age=3600' }, 500))
    await refusal(id)
    host.serve(id, json({ client_id: 'another' }, { 'Cache-Control': 'max-age=3600' }))
    await refusal(id)
    host.serve(id, documentOf(id, { redirect_uris: [] }))
    expect((await refusal(id)).reason).toBe('unacceptable_metadata_document')
    host.serve(id, documentOf(id))
    expect((await find(id))?.client_id).toBe(id)
  })
})

describe('a document that we cannot work with', () => {
  const cases: [string, object, string][] = [
    ['a secret', { client_secret: 'abc' }, 'metadata_document_secret'],
    ['an expiry of a secret', { client_secret_expires_at: 0 }, 'metadata_document_secret'],
    ...['client_secret_basic', 'client_secret_post', 'client_secret_jwt', 'private_key_jwt'].map(
      (method): [string, object, string] => [
        method,
        { token_endpoint_auth_method: method },
        'auth_method_not_supported',
      ],
    ),
    ['no name', { client_name: undefined }, 'unacceptable_metadata_document'],
    ['a name of two lines', { client_name: 'a\nb' }, 'unacceptable_metadata_document'],
    ['no redirect URIs', { redirect_uris: undefined }, 'unacceptable_metadata_document'],
    ['one redirect URI', { redirect_uris: redirectUri }, 'unacceptable_metadata_document'],
    [
      'client credentials only',
      { grant_types: ['client_credentials'] },
      'unacceptable_metadata_document',
    ],
    ['no response type of ours', { response_types: ['token'] }, 'unacceptable_metadata_document'],
    ['a web app on loopback', { application_type: 'web' }, 'unacceptable_metadata_document'],
    ...[
      'http://app.example.test/cb',
      'javascript:alert(1)',
      'JaVaScRiPt:alert(1)',
      'data:text/html,x',
      'file:///etc/passwd',
      'https://app.example.test/cb#x',
      'https://u@app.example.test/cb',
      'https://app.example.test/a/../cb',
    ].map((uri): [string, object, string] => [
      uri,
      { redirect_uris: [redirectUri, uri] },
      'unacceptable_metadata_document',
    ]),
  ]
  test.each(cases)('says so: %s', async (_, more, reason) => {
    const id = freshUrl()
    host.serve(id, documentOf(id, more))
    const error = await refusal(id)
    expect([error.code, error.status, error.reason]).toEqual(['invalid_client', 400, reason])
  })
})
