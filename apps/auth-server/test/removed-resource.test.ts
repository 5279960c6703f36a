/** What is left of a resource that an admin removed: nobody gets a token for it, and nothing else ends. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  getCode,
  getTokens,
  openPeopleServer,
  type PeopleServer,
  peopleConfig,
  redeem,
  refresh,
} from './browser.js'
import { basic, decode, docs } from './harness.js'

let server: PeopleServer
beforeAll(async () => {
  server = await openPeopleServer({
    config: {
      ...peopleConfig,
      delegation_rules: [{ from: 'assistant', to: 'helper', scope: 'docs:read' }],
    },
  })
})
afterAll(() => server.close())

const admin = 'admin-tool'

const request = (method: string, path: string, body?: object) =>
  server.request(path, {
    method,
    headers: {
      Authorization: basic(admin),
      ...(body && { 'Content-Type': 'application/json' }),
    },
    ...(body && { body: JSON.stringify(body) }),
  })

let made = 0

const addResource = async () => {
  made += 1
  const resource = `https://tools.example/${made}/mcp`
  const more = { tenant_id: 'acme', scopes_supported: ['docs:read'], client_id: 'docs-server' }
  const response = await request('POST', '/admin/resources', { resource, ...more })
  expect(response.status).toBe(201)
  const { resource_id: id } = (await response.json()) as { resource_id: string }
  const remove = async () => {
    expect((await request('DELETE', `/admin/resources/${id}`)).status).toBe(204)
  }
  const addAgain = () => request('POST', '/admin/resources', { resource, ...more })
  return { resource, remove, addAgain }
}

const addAgent = async (resources: string[]) => {
  const agent = { kind: 'agent', tenant_id: 'acme', scope: 'docs:read', resources }
  const { body } = await server.api<Record<string, string>>(admin, '/admin/clients', agent)
  const headers = { Authorization: basic(body.client_id ?? '', body.client_secret) }
  return (fields: Record<string, string>) =>
    server.post<Record<string, string>>('/token', fields, headers)
}

const machine = { grant_type: 'client_credentials' }

const refusal = ({
  status,
  body,
}: {
  status: number
  body: { error?: string; error_detail?: string }
}) => [status, body.error, body.error_detail]
const unknown = [400, 'invalid_target', 'unknown_resource']

test('an agent gets no token for it, and still those for the others', async () => {
  const { resource, remove, addAgain } = await addResource()
  const ask = await addAgent([docs, resource])
  const { body } = await ask({ ...machine, resource })
  const token = body.access_token ?? ''
  expect((await server.introspect('docs-server', token)).body.active).toBe(true)
  const charge = { token, amount_usd: '0.1', action: 'docs.read' }
  expect((await server.ledger('docs-server', '/reservations', charge)).status).toBe(201)
  await remove()
  expect(refusal(await ask({ ...machine, resource }))).toEqual(unknown)
  expect((await ask({ ...machine, resource: docs })).status).toBe(200)
  expect((await server.introspect('docs-server', token)).body).toEqual({ active: false })
  expect((await server.ledger('docs-server', '/reservations', charge)).status).toBe(403)
  // It comes back as it was: the delegation had not ended.
  expect((await addAgain()).status).toBe(201)
  expect((await ask({ ...machine, resource })).status).toBe(200)
  expect((await server.introspect('docs-server', token)).body.active).toBe(true)
})

test('an exchange for it is refused, by the token that was for it and by another', async () => {
  const { resource, remove } = await addResource()
  const ask = await addAgent([docs, resource])
  const both = await Promise.all([resource, docs].map((one) => ask({ ...machine, resource: one })))
  await remove()
  for (const { body } of both) {
    const exchanged = await ask({
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token: body.access_token ?? '',
      subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      resource,
    })
    expect(refusal(exchanged)).toEqual(unknown)
  }
})

test('a person is not asked for it', async () => {
  const { resource, remove } = await addResource()
  await remove()
  const { answer } = await getCode(server, { query: { client_id: 'pub', resource } })
  expect(answer.query.get('error')).toBe('invalid_target')
})

test('a code that waits, and a refresh token, bring nothing for it and stay good', async () => {
  const { resource, remove, addAgain } = await addResource()
  const query = { client_id: 'pub', resource, scope: 'docs:read' }
  const first = await getTokens(server, { query })
  expect(decode(first.access_token)).toMatchObject({ aud: resource })
  const waiting = await getCode(server, { query })
  await remove()
  expect(refusal(await redeem(server, waiting))).toEqual(unknown)
  expect(refusal(await refresh(server, 'pub', first.refresh_token))).toEqual(unknown)
  expect((await addAgain()).status).toBe(201)
  expect((await refresh(server, 'pub', first.refresh_token)).status).toBe(200)
})

test('of several resources in a refresh token the others are left', async () => {
  const { resource, remove } = await addResource()
  const query = { client_id: 'pub', resource: [docs, resource], scope: 'docs:read' }
  const first = await getTokens(server, { query })
  expect(decode(first.access_token)).toMatchObject({ aud: [docs, resource] })
  await remove()
  const named = await refresh(server, 'pub', first.refresh_token, { resource: [docs, resource] })
  expect(refusal(named)).toEqual(unknown)
  const second = await refresh(server, 'pub', first.refresh_token)
  expect(decode(second.body.access_token)).toMatchObject({ aud: docs, scope: 'docs:read' })
})
