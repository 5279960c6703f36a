/** What the metadata says of resources: nothing, unless the operator wants it, and of tenants' never. */
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { createApp } from '../src/app.js'
import { baseConfig, basic, issuer, openTestServer, secretOf, type TestServer } from './harness.js'

const open = 'https://open.example/mcp'
const config = {
  ...baseConfig,
  metadata: { list_resources: true },
  resources: [
    ...baseConfig.resources,
    { resource: open, scopes_supported: ['open:read', 'offline_access', 'open:write'] },
  ],
  clients: [
    ...baseConfig.clients,
    {
      client_id: 'root',
      kind: 'app',
      client_secret: secretOf('root'),
      grant_types: ['client_credentials'],
      scope: 'admin',
    },
  ],
}

let server: TestServer
beforeAll(async () => {
  server = await openTestServer({ config })
})
afterAll(() => server.close())

const documents = ['oauth-authorization-server', 'openid-configuration'] as const

const read = async (
  name: (typeof documents)[number] = 'oauth-authorization-server',
  app: Pick<TestServer, 'request'> = server,
) => {
  const response = await app.request(`/.well-known/${name}`)
  expect(response.status).toBe(200)
  return (await response.json()) as Record<string, unknown>
}

const admin = (method: string, path: string, body?: object) =>
  server.request(`/admin/resources${path}`, {
    method,
    headers: { Authorization: basic('root'), 'Content-Type': 'application/json' },
    ...(body && { body: JSON.stringify(body) }),
  })

const later = () => server.clock.advance(5)

describe.each(documents)('%s', (name) => {
  test('names open resources and their scopes, and that there are others', async () => {
    expect(await read(name)).toMatchObject({
      scopes_supported: ['openid', 'profile', 'email', 'open:read', 'open:write'],
      protected_resources: [open],
      protected_resources_partial: true,
    })
  })

  test('names nothing of a tenant', async () => {
    const text = JSON.stringify(await read(name))
    for (const word of ['4100', '4200', '4300', 'docs', 'mail:send', 'acme', 'globex']) {
      expect(text).not.toContain(word)
    }
  })
})

test('an operator who says nothing names none, and needs no database for it', async () => {
  const quiet = createApp({ ...server.deps, listResources: false })
  const request: TestServer['request'] = async (path) => quiet.request(issuer + path)
  for (const name of documents) {
    const document = await read(name, { request })
    expect(document).not.toHaveProperty('protected_resources')
    expect(JSON.stringify(document)).not.toContain('open:read')
  }
})

test('what an admin adds and removes is there within seconds, and the database is asked once for many', async () => {
  const list = vi.spyOn(server.deps.store.adminResources, 'listOpen')
  later()
  await Promise.all([read(), read(), read()])
  expect(list).toHaveBeenCalledTimes(1)
  const resource = 'https://new.example/mcp'
  const added = await admin('POST', '', { resource, scopes_supported: ['new:read'] })
  const { resource_id: id } = (await added.json()) as { resource_id: string }
  later()
  expect((await read()).protected_resources).toEqual([resource, open].sort())
  expect((await read()).scopes_supported).toContain('new:read')
  await admin('DELETE', `/${id}`)
  later()
  expect((await read()).protected_resources).toEqual([open])
  list.mockRestore()
})

test('of more than there is room for some are named, and that there are others', async () => {
  const long = (n: number) => `https://long.example/${n}/${'x'.repeat(2000)}`
  for (let n = 0; n < 10; n += 1) await admin('POST', '', { resource: long(n) })
  later()
  const document = await read()
  expect(document.protected_resources).toContain(long(0))
  expect(document.protected_resources).not.toContain(long(9))
  expect(document.protected_resources_partial).toBe(true)
  expect(JSON.stringify(document).length).toBeLessThan(32_768)
})

test('a database that is away keeps nobody from the endpoints', async () => {
  const before = await read()
  const list = vi
    .spyOn(server.deps.store.adminResources, 'listOpen')
    .mockRejectedValue(new Error('away'))
  later()
  expect(await read()).toEqual(before)
  list.mockRestore()
})

test('where no tenant has a resource the lists are whole', async () => {
  const resources = [{ resource: open, scopes_supported: ['open:read'] }]
  const other = await openTestServer({ config: { metadata: { list_resources: true }, resources } })
  const document = await read('oauth-authorization-server', other)
  expect(document.protected_resources).toEqual([open])
  expect(document).not.toHaveProperty('protected_resources_partial')
  await other.close()
})
