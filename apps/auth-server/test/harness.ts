/** A whole server for a test file: real routes, real SQL, a clock that the test moves. */
import { randomBytes } from 'node:crypto'
import { openAsBlob } from 'node:fs'
import { pino } from 'pino'
import postgres from 'postgres'
import { inject } from 'vitest'
import { createApp } from '../src/app.js'
import { type Config, parseConfig } from '../src/config.js'
import { expireHolds } from '../src/maintenance.js'
import type { Mailer } from '../src/people/mailer.js'
import { createPasswords, type PasswordCost } from '../src/people/passwords.js'
import type { People } from '../src/people/person.js'
import type { DocumentNetwork } from '../src/registration/metadata-document-network.js'
import { createForgetting } from '../src/retention.js'
import { hashSecret } from '../src/secrets.js'
import { openServer } from '../src/server.js'
import { applyConfig } from '../src/store/apply-config.js'
import { type Database, openDatabase } from '../src/store/database.js'

export const issuer = 'http://127.0.0.1:4000'
export const docs = 'http://127.0.0.1:4100/mcp'
export const mail = 'http://127.0.0.1:4200/mcp'
export const otherTenantDocs = 'http://127.0.0.1:4300/mcp'

export const secretOf = (clientId: string): string => `${clientId}-secret-of-32-characters`

const exchange = 'urn:ietf:params:oauth:grant-type:token-exchange'

export const agent = (client_id: string, more: object = {}) => ({
  client_id,
  kind: 'agent',
  tenant_id: 'acme',
  client_secret: secretOf(client_id),
  grant_types: ['client_credentials', exchange],
  scope: 'docs:read docs:write mail:send',
  resources: [docs, mail],
  agent_limits: { cost_budget_usd: 50, allowed_actions: ['docs.*', 'mail.send'] },
  ...more,
})

export const resourceServer = (client_id: string, tenant_id = 'acme') => ({
  client_id,
  kind: 'resource_server',
  tenant_id,
  client_secret: secretOf(client_id),
  scope: 'budgets:charge delegations:read',
})

/** Two tenants; orchestrator → researcher → scraper may delegate, and nobody else. */
export const baseConfig = {
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
    },
    {
      resource: mail,
      tenant_id: 'acme',
      scopes_supported: ['mail:send'],
      client_id: 'mail-server',
    },
    {
      resource: otherTenantDocs,
      tenant_id: 'globex',
      scopes_supported: ['docs:read'],
      client_id: 'globex-docs-server',
    },
  ],
  clients: [
    agent('orchestrator', {
      agent_type: 'planner',
      agent_limits: {
        requests_per_hour: 100,
        cost_budget_usd: 50,
        allowed_actions: ['docs.*', 'mail.send'],
        max_delegation_depth: 3,
      },
    }),
    agent('researcher', { agent_type: 'researcher' }),
    agent('scraper'),
    agent('loner', { resources: [docs] }),
    agent('posting', { token_endpoint_auth_method: 'client_secret_post', resources: [docs] }),
    agent('cc-only', { grant_types: ['client_credentials'], resources: [docs] }),
    agent('switched-off', { disabled: true }),
    agent('globex-agent', { tenant_id: 'globex', resources: [otherTenantDocs] }),
    resourceServer('docs-server'),
    resourceServer('mail-server'),
    resourceServer('globex-docs-server', 'globex'),
    {
      client_id: 'desktop',
      kind: 'app',
      token_endpoint_auth_method: 'none',
      redirect_uris: ['http://127.0.0.1:6276/oauth/callback'],
      scope: 'docs:read',
    },
  ],
  delegation_rules: [
    { from: 'orchestrator', to: 'researcher', cost_budget_usd: 5, max_delegation_depth: 1 },
    { from: 'researcher', to: 'scraper', scope: 'docs:read', cost_budget_usd: 2 },
    { from: 'scraper', to: 'orchestrator' },
    { from: 'scraper', to: 'loner' },
    { from: 'orchestrator', to: 'docs-server' },
    { from: 'researcher', to: 'docs-server' },
  ],
}

export interface TokenBody {
  access_token: string
  token_type: string
  expires_in: number
  scope?: string
  issued_token_type?: string
  agent_limits?: Record<string, unknown>
  narrowed?: Record<string, { asked: unknown; granted: unknown }>
  rule_ids?: string[]
  error?: string
  error_detail?: string
  error_description?: string
}

export interface Answer<Body = Record<string, unknown>> {
  status: number
  headers: Headers
  body: Body
}

export type FormFields = Record<string, string | string[]>

const formBody = (fields: FormFields): URLSearchParams =>
  new URLSearchParams(
    Object.entries(fields).flatMap(([name, value]) =>
      [value].flat().map((one): [string, string] => [name, one]),
    ),
  )

export const basic = (clientId: string, secret = secretOf(clientId)): string =>
  `Basic ${Buffer.from(`${encodeURIComponent(clientId)}:${encodeURIComponent(secret)}`).toString('base64')}`

export const decode = (token: string): Record<string, unknown> =>
  JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())

const readAnswer = async <Body>(response: Response): Promise<Answer<Body>> => {
  const text = await response.text()
  const isJson = response.headers.get('content-type')?.includes('json')
  return {
    status: response.status,
    headers: response.headers,
    body: (isJson && text ? JSON.parse(text) : text) as Body,
  }
}

/** A clock that stands still until it is moved. */
export const createClock = (start = '2026-11-21T12:00:00Z') => {
  let time = new Date(start).getTime()
  return {
    now: (): Date => new Date(time),
    seconds: (): number => Math.floor(time / 1000),
    advance: (seconds: number): void => {
      time += seconds * 1000
    },
  }
}
export type Clock = ReturnType<typeof createClock>

/** What is written to the log, line by line. */
const createLog = () => {
  const lines: string[] = []
  return { lines, log: pino({ level: 'info' }, { write: (line: string) => lines.push(line) }) }
}

/** An empty database of the kind that this run is about. */
export const createDatabase = async (): Promise<{ url: string; drop(): Promise<void> }> => {
  const server = inject('postgresUrl')
  if (!server) return { url: 'memory:', drop: async () => {} }
  const name = `test_${randomBytes(6).toString('hex')}`
  const admin = postgres(`${server}postgres`, { max: 1, onnotice: () => {} })
  await admin.unsafe(`create database ${name}`)
  return {
    url: server + name,
    drop: async () => {
      await admin.unsafe(`drop database ${name} with (force)`)
      await admin.end()
    },
  }
}

/** PGlite begins with the tables that were made once for all tests. */
export const openTestDatabase = async (url: string): Promise<Database> => {
  const path = inject('pgliteDump')
  return openDatabase(url, { dump: path === undefined ? undefined : await openAsBlob(path) })
}

export interface TestServerOptions {
  config?: object
  clock?: Clock
  issuer?: string
  secret?: string
  /** Where metadata documents of clients come from. */
  documentNetwork?: Partial<DocumentNetwork>
  /** How it waits. Without it, it does not. */
  wait?: (ms: number) => Promise<unknown>
  /** Share the database of another test server. */
  database?: Database
  /** In place of the server's own people. */
  people?: People
  mailer?: Mailer
  /** Quick unless the test is about how slow they are. */
  passwordCost?: PasswordCost
  /** Where limits are counted over all servers. */
  redisUrl?: string
}

/** Far too quick for a server that anybody can reach. */
export const quickPasswords = { ln: 4, r: 8, p: 1 }

export const serverSecret = 'a secret of at least 32 characters, for tests only'

const hasPeople = ({ config = {}, people }: TestServerOptions): boolean =>
  people === undefined && ('users' in config || 'people' in config)

/** What the adapter of a real connection says of its other end. */
const cameFrom = (address: string | undefined) =>
  address === undefined ? {} : { incoming: { socket: { remoteAddress: address } } }

/** Opens a server on its own database, or a second one on the database of the first. */
export const openTestServer = async (options: TestServerOptions = {}) => {
  // The library that people sign in with reads the clock of the machine.
  const start = hasPeople(options) ? new Date().toISOString() : undefined
  const clock = options.clock ?? createClock(start)
  const { lines, log } = createLog()
  const created = options.database ? undefined : await createDatabase()
  const database = options.database ?? (await openTestDatabase(created?.url ?? ''))
  const config: Config = parseConfig(JSON.stringify(options.config ?? baseConfig), {})
  const opened = await openServer({
    database,
    secret: options.secret ?? serverSecret,
    config,
    log,
    now: clock.now,
    wait: options.wait ?? (async () => undefined),
    people: options.people,
    mailer: options.mailer,
    passwordCost: options.passwordCost ?? quickPasswords,
    documentNetwork: options.documentNetwork,
    redisUrl: options.redisUrl,
  })
  const deps = opened.depsFor(options.issuer ?? issuer)
  const app = createApp(deps)
  const request = (path: string, init?: RequestInit, address?: string): Promise<Response> =>
    Promise.resolve(app.request(`${options.issuer ?? issuer}${path}`, init, cameFrom(address)))

  const post = async <Body>(
    path: string,
    fields: FormFields,
    headers: Record<string, string>,
    address?: string,
  ) =>
    readAnswer<Body>(
      await request(path, { method: 'POST', body: formBody(fields), headers }, address),
    )

  const as = (clientId: string | undefined): Record<string, string> =>
    clientId === undefined ? {} : { Authorization: basic(clientId) }

  return {
    app,
    deps,
    clock,
    database,
    log: lines,
    request,
    /** For SDKs and stock libraries: the server as a fetch function. */
    fetch: (async (input: RequestInfo | URL, init?: RequestInit) =>
      app.request(new Request(input, init))) as typeof fetch,
    post,

    /** `POST /token`, authenticated by HTTP Basic unless `clientId` is undefined. */
    token: (clientId: string | undefined, fields: FormFields) =>
      post<TokenBody>('/token', fields, as(clientId)),

    clientCredentials: (clientId: string, fields: FormFields = { resource: docs }) =>
      post<TokenBody>('/token', { grant_type: 'client_credentials', ...fields }, as(clientId)),

    exchange: (clientId: string, subjectToken: string, fields: FormFields = {}) =>
      post<TokenBody>(
        '/token',
        {
          grant_type: exchange,
          subject_token: subjectToken,
          subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
          ...fields,
        },
        as(clientId),
      ),

    introspect: (clientId: string, token: string) =>
      post<Record<string, unknown>>('/introspect', { token }, as(clientId)),

    revoke: (clientId: string, token: string) =>
      post<Record<string, unknown>>('/revoke', { token }, as(clientId)),

    /** A JSON request to the ledger, with a fresh Idempotency-Key unless one is given. */
    ledger: async (clientId: string, path: string, body?: unknown, key?: string) =>
      readAnswer<Record<string, string>>(
        await request(`/ledger${path}`, {
          method: body === undefined ? 'GET' : 'POST',
          headers: {
            ...as(clientId),
            'Content-Type': 'application/json',
            'Idempotency-Key': key ?? randomBytes(8).toString('hex'),
          },
          ...(body !== undefined && { body: JSON.stringify(body) }),
        }),
      ),

    /** `POST /delegations/check`, about a token or about a `delegation_id`. */
    check: (clientId: string, fields: FormFields) =>
      post<Record<string, unknown>>('/delegations/check', fields, as(clientId)),

    /** The server's own API in JSON, as a client or, from `Bearer …` on, with a token. */
    api: async <Body = Record<string, unknown>>(caller: string, path: string, body?: unknown) =>
      readAnswer<Body>(
        await request(path, {
          method: body === undefined ? 'GET' : 'POST',
          headers: {
            Authorization: caller.startsWith('Bearer ') ? caller : basic(caller),
            ...(body !== undefined && { 'Content-Type': 'application/json' }),
          },
          ...(body !== undefined && { body: JSON.stringify(body) }),
        }),
      ),

    expireHolds: () => expireHolds(deps),

    /** Looks at all history, and says how many rows of each kind are gone. */
    forgetHistory: (sizes: { rows?: number; batches?: number } = {}) =>
      createForgetting({ ...deps, ...sizes })(),

    /** Starts again with another file on the same database, as an operator would. */
    applyConfig: (changed: object): Promise<void> =>
      applyConfig(database, parseConfig(JSON.stringify(changed), {}), {
        hashSecret,
        hashPassword: createPasswords(quickPasswords).hash,
        newId: () => deps.newId('dlg'),
        newPersonId: deps.newId,
        now: clock.now(),
      }),

    close: async (): Promise<void> => {
      await opened.close()
      await created?.drop()
    },
  }
}

export type TestServer = Awaited<ReturnType<typeof openTestServer>>

/** orchestrator → researcher: the hand-off and what the researcher gets for it. */
export const delegateOnce = async (
  server: TestServer,
  fields: FormFields = { scope: 'docs:read' },
  from = 'orchestrator',
  to = 'researcher',
  subjectToken?: string,
) => {
  const subject = subjectToken ?? (await server.clientCredentials(from)).body.access_token
  const handOff = await server.exchange(from, subject, { requested_actor: to, ...fields })
  const accepted = await server.exchange(to, handOff.body.access_token)
  return { subject, handOff, accepted, token: accepted.body.access_token }
}

/** What a page needs of a browser: its cookies, and that it says where a form comes from. */
export const createBrowser = (server: Pick<TestServer, 'request'>, own = issuer) => {
  const cookies = new Map<string, string>()
  const keep = (response: Response): Response => {
    for (const line of response.headers.getSetCookie()) {
      const [pair = ''] = line.split(';', 1)
      const at = pair.indexOf('=')
      const isOver = /;\s*max-age=0/i.test(line)
      if (isOver) cookies.delete(pair.slice(0, at))
      else cookies.set(pair.slice(0, at), pair.slice(at + 1))
    }
    return response
  }
  const cookie = (): string => [...cookies].map(([name, value]) => `${name}=${value}`).join('; ')
  const get = async (path: string, headers: Record<string, string> = {}): Promise<Response> =>
    keep(await server.request(path, { headers: { Cookie: cookie(), ...headers } }))
  const post = async (
    path: string,
    fields: FormFields,
    headers: Record<string, string> = {},
  ): Promise<Response> =>
    keep(
      await server.request(path, {
        method: 'POST',
        body: formBody(fields),
        headers: { Cookie: cookie(), Origin: new URL(own).origin, ...headers },
      }),
    )
  /** Opens a page and sends the form on it that goes to `action`, with these fields filled in. */
  const fill = async (page: string, fields: FormFields, action?: string): Promise<Response> => {
    const html = await (await get(page)).text()
    const [path = ''] = page.split('?', 1)
    return post(action ?? path, { ...hiddenFields(html), ...fields })
  }
  return { cookies, cookie, get, post, fill }
}

export type Browser = ReturnType<typeof createBrowser>

const unescapeHtml = (text: string): string =>
  text.replaceAll('&amp;', '&').replaceAll('&quot;', '"').replaceAll('&#39;', "'")

/** The hidden fields of a page's first form. */
export const hiddenFields = (html: string): Record<string, string> => {
  const [, form = ''] = /<form[^>]*>(.*?)<\/form>/s.exec(html) ?? []
  const found = form.matchAll(/<input type="hidden" name="([^"]+)" value="([^"]*)"/g)
  return Object.fromEntries([...found].map(([, name, value = '']) => [name, unescapeHtml(value)]))
}

/** Signs a person in at the page. @returns the Cookie header of their browser */
export const signIn = async (
  server: Pick<TestServer, 'request'>,
  { email, password }: { email: string; password: string },
  own = issuer,
): Promise<string> => {
  const browser = createBrowser(server, own)
  const answer = await browser.fill('/sign-in', { email, password })
  if (answer.status !== 303) throw new Error(`sign-in answered ${answer.status}`)
  return browser.cookie()
}
