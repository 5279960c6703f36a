/** A person's browser at the authorization pages, and the client that waits for the answer. */
import { createHash, randomBytes } from 'node:crypto'
import {
  basic,
  createClock,
  docs,
  type FormFields,
  issuer,
  mail,
  openTestServer,
  otherTenantDocs,
  secretOf,
  type TestServer,
  type TestServerOptions,
  type TokenBody,
} from './harness.js'
import { createStandInPeople, type StandIn } from './stand-in-people.js'

export const appUri = 'https://app.example.test/cb'
export const nativeUri = 'http://127.0.0.1:6276/cb'

const codeGrants = ['authorization_code', 'refresh_token']
const exchange = 'urn:ietf:params:oauth:grant-type:token-exchange'

/** Applications and agents that people sign in to, beside agents and servers of their organization. */
export const peopleConfig = {
  tenants: [
    { tenant_id: 'acme', limits: { cost_budget_usd: 1000 } },
    { tenant_id: 'globex', limits: { cost_budget_usd: 1000 } },
  ],
  resources: [
    {
      resource: docs,
      tenant_id: 'acme',
      scopes_supported: ['docs:read', 'docs:write'],
      client_id: 'docs-server',
      scope_descriptions: { 'docs:read': 'Read your documents' },
    },
    { resource: mail, scopes_supported: ['mail:send'], client_id: 'mail-server' },
    { resource: otherTenantDocs, tenant_id: 'globex', scopes_supported: ['docs:read'] },
  ],
  clients: [
    {
      client_id: 'pub',
      client_name: 'Public App',
      kind: 'app',
      token_endpoint_auth_method: 'none',
      redirect_uris: [appUri],
      scope: 'openid email docs:read docs:write mail:send',
    },
    {
      client_id: 'twin',
      client_name: 'Public App',
      kind: 'app',
      token_endpoint_auth_method: 'none',
      redirect_uris: ['https://app.example.test/other'],
      scope: 'docs:read',
    },
    {
      client_id: 'native',
      kind: 'app',
      token_endpoint_auth_method: 'none',
      redirect_uris: [nativeUri, 'http://[::1]:6276/cb'],
      scope: 'docs:read',
    },
    ...['conf', 'conf2'].map((client_id) => ({
      client_id,
      kind: 'app',
      client_secret: secretOf(client_id),
      redirect_uris: [appUri],
      scope: 'docs:read docs:write',
    })),
    {
      client_id: 'code-only',
      kind: 'app',
      token_endpoint_auth_method: 'none',
      redirect_uris: [appUri],
      grant_types: ['authorization_code'],
      scope: 'docs:read',
    },
    {
      client_id: 'assistant',
      client_name: 'Assistant',
      kind: 'agent',
      agent_type: 'assistant',
      tenant_id: 'acme',
      client_secret: secretOf('assistant'),
      redirect_uris: [appUri],
      grant_types: [...codeGrants, exchange],
      scope: 'openid docs:read docs:write mail:send',
      resources: [docs, mail],
      agent_limits: { cost_budget_usd: 50, allowed_actions: ['docs.*', 'mail.send'] },
    },
    {
      client_id: 'roamer',
      kind: 'agent',
      agent_type: 'roamer',
      client_secret: secretOf('roamer'),
      redirect_uris: [appUri],
      grant_types: [...codeGrants, exchange],
      scope: 'docs:read mail:send',
      resources: [docs, mail, otherTenantDocs],
    },
    {
      client_id: 'helper',
      kind: 'agent',
      tenant_id: 'acme',
      client_secret: secretOf('helper'),
      scope: 'docs:read',
      resources: [docs],
    },
    ...['docs-server', 'mail-server'].map((client_id) => ({
      client_id,
      kind: 'resource_server',
      tenant_id: 'acme',
      client_secret: secretOf(client_id),
      scope: 'budgets:charge delegations:read',
    })),
    {
      client_id: 'admin-tool',
      kind: 'resource_server',
      client_secret: secretOf('admin-tool'),
      scope: 'admin delegations:read delegations:revoke',
    },
  ],
  delegation_rules: [
    { from: 'assistant', to: 'helper', scope: 'docs:read', cost_budget_usd: 1 },
    { tenant_id: 'acme', from: { agent_type: 'roamer' }, to: 'helper', scope: 'docs:read' },
    { from: 'assistant', to: 'docs-server' },
  ],
}

const keepInDatabase = async (
  { database }: Pick<TestServer, 'database'>,
  { person, memberships }: StandIn,
): Promise<void> => {
  const { sub, email, name } = person
  await database.write(
    'insert into users (id, email, name) values ($1, $2, $3) on conflict do nothing',
    [sub, email, name],
  )
  await database.write(
    `insert into members (id, user_id, tenant_id, role)
     select 'mbr_' || $1 || t.tenant_id, $1, t.tenant_id, 'member' from tenants t
     where t.tenant_id = any($2::text[]) on conflict do nothing`,
    [sub, memberships.map(({ tenant_id }) => tenant_id)],
  )
}

export const openPeopleServer = async (options: TestServerOptions = {}) => {
  const clock = options.clock ?? createClock()
  const people = createStandInPeople(clock.now)
  const server = await openTestServer({ config: peopleConfig, people, ...options, clock })
  // The ledger asks the database.
  for (const one of ['usr_alice', 'usr_bob', 'usr_carol']) {
    await keepInDatabase(server, people.who(one))
  }
  return { ...server, people }
}
export type PeopleServer = Awaited<ReturnType<typeof openPeopleServer>>

export interface PKCE {
  verifier: string
  challenge: string
}

export const createPKCE = (): PKCE => {
  const verifier = randomBytes(32).toString('base64url')
  return { verifier, challenge: createHash('sha256').update(verifier).digest('base64url') }
}

/** An authorization request that there is nothing wrong with. `undefined` takes a member out. */
export const authorizeQuery = (
  pkce: PKCE,
  more: Record<string, string | string[] | undefined> = {},
): URLSearchParams => {
  const members = {
    response_type: 'code',
    client_id: 'pub',
    redirect_uri: appUri,
    scope: 'docs:read',
    state: 'a state',
    code_challenge: pkce.challenge,
    code_challenge_method: 'S256',
    resource: docs,
    ...more,
  }
  return new URLSearchParams(
    Object.entries(members).flatMap(([name, value]) =>
      [value ?? []].flat().map((one): [string, string] => [name, one]),
    ),
  )
}

export interface PageAnswer {
  status: number
  headers: Headers
  text: string
  /** Where it goes on, if it does. */
  location: string | undefined
  /** The members of the query there. */
  query: URLSearchParams
}

/** What a browser would send if the person pressed the button. */
export const fieldsOf = (html: string, form = 0): Record<string, string> => {
  const inner = [...html.matchAll(/<form[^>]*>([\s\S]*?)<\/form>/g)][form]?.[1] ?? ''
  const fields: Record<string, string> = {}
  for (const [tag] of inner.matchAll(/<input[^>]*>/g)) {
    const at = (name: string) =>
      new RegExp(`\\s${name}="([^"]*)"`).exec(tag)?.[1]?.replaceAll('&amp;', '&')
    const isOff = /type="(radio|checkbox)"/.test(tag) && !/\schecked/.test(tag)
    const name = at('name')
    if (name !== undefined && !isOff) fields[name] = at('value') ?? ''
  }
  return fields
}

/** @param person the cookie: `usr_alice`, or `usr_alice.2` in another browser; absent: signed out */
export const openBrowser = (server: PeopleServer, person?: string) => {
  let formCookie: string | undefined
  const cookies = (): string =>
    [person && `person=${person}`, formCookie].filter((one) => one !== undefined).join('; ')

  const read = async (response: Response): Promise<PageAnswer> => {
    formCookie = response.headers.get('set-cookie')?.split(';')[0] ?? formCookie
    const location = response.headers.get('location') ?? undefined
    return {
      status: response.status,
      headers: response.headers,
      text: await response.text(),
      location,
      query: new URL(location ?? issuer, issuer).searchParams,
    }
  }
  const get = async (path: string): Promise<PageAnswer> =>
    read(await server.request(path, { headers: { Cookie: cookies() } }))

  const post = async (
    path: string,
    fields: Record<string, string>,
    headers: Record<string, string> = {},
  ): Promise<PageAnswer> =>
    read(
      await server.request(path, {
        method: 'POST',
        headers: { Cookie: cookies(), Origin: issuer, 'Sec-Fetch-Site': 'same-origin', ...headers },
        body: new URLSearchParams(fields),
      }),
    )

  return {
    get,
    post,
    authorize: (query: URLSearchParams) => get(`/authorize?${query}`),
    /** Presses the button of the consent page. */
    answer: (page: PageAnswer, more: Record<string, string> = {}) =>
      post('/consent', { ...fieldsOf(page.text), decision: 'allow', ...more }),
    signInAs: (other: string | undefined): void => {
      person = other
    },
  }
}
export type Browser = ReturnType<typeof openBrowser>

export interface GetCodeOptions {
  person?: string
  query?: Record<string, string | string[] | undefined>
  /** Fields of the consent form. */
  consent?: Record<string, string>
}

/** All the way to a code: the page, if there is one, is answered with yes. */
export const getCode = async (server: PeopleServer, options: GetCodeOptions = {}) => {
  const pkce = createPKCE()
  const browser = openBrowser(server, options.person ?? 'usr_alice')
  const query = authorizeQuery(pkce, options.query)
  let answer = await browser.authorize(query)
  const asked = answer.status === 200
  if (asked) answer = await browser.answer(answer, options.consent)
  const clientId = query.get('client_id') ?? ''
  const redirectUri = query.get('redirect_uri') ?? ''
  return {
    code: answer.query.get('code') ?? '',
    pkce,
    clientId,
    redirectUri,
    answer,
    asked,
    browser,
  }
}
export type GotCode = Awaited<ReturnType<typeof getCode>>

export interface PersonTokens extends TokenBody {
  refresh_token?: string
}

const publicClients = ['pub', 'twin', 'native', 'code-only']

/** At the token endpoint, authenticated as it is registered. */
export const tokenAs = (server: PeopleServer, clientId: string, fields: FormFields) =>
  publicClients.includes(clientId)
    ? server.post<PersonTokens>('/token', { client_id: clientId, ...fields }, {})
    : server.post<PersonTokens>('/token', fields, { Authorization: basic(clientId) })

export const redeem = (server: PeopleServer, got: GotCode, more: FormFields = {}) =>
  tokenAs(server, got.clientId, {
    grant_type: 'authorization_code',
    code: got.code,
    redirect_uri: got.redirectUri,
    code_verifier: got.pkce.verifier,
    ...more,
  })

/** A token set of a person's, for `pub` unless the query says otherwise. */
export const getTokens = async (server: PeopleServer, options: GetCodeOptions = {}) => {
  const got = await getCode(server, options)
  const { status, body } = await redeem(server, got)
  if (status !== 200) throw new Error(`no token: ${JSON.stringify(body)}`)
  return { ...body, got, refresh_token: body.refresh_token ?? '' }
}

export const refresh = (
  server: PeopleServer,
  clientId: string,
  refresh_token: string,
  more: FormFields = {},
) => tokenAs(server, clientId, { grant_type: 'refresh_token', refresh_token, ...more })
