/** One authorization server, and a guarded place for each name, served however a test likes. */
import type { RequestListener } from 'node:http'
import { type Guard, type ProtectMcpOptions, protectMcp } from '../src/server.js'
import { type AuthServer, secretOf, startAuthServer } from './auth-server.js'
import { open } from './servers.js'

export const placeScopes = ['docs:read', 'docs:write']

export const credentialsOf = (clientId: string) => ({
  clientId,
  clientSecret: secretOf(clientId),
})

const agent = (
  client_id: string,
  resources: readonly string[],
  scope: string,
  limits: object = {},
) => ({
  client_id,
  kind: 'agent',
  tenant_id: client_id === 'foreigner' ? 'globex' : 'acme',
  client_secret: secretOf(client_id),
  grant_types: ['client_credentials', 'urn:ietf:params:oauth:grant-type:token-exchange'],
  scope,
  resources,
  agent_limits: { max_delegation_depth: 3, ...limits },
})

const resourceServer = (client_id: string) => ({
  client_id,
  kind: 'resource_server',
  tenant_id: 'acme',
  client_secret: secretOf(client_id),
  grant_types: ['urn:ietf:params:oauth:grant-type:token-exchange'],
})

/** Every place has a resource server of its own, called `at-` and its number. */
export const serverOf = (index: number): string => `at-${index}`

const configFor = (urls: readonly string[]) => ({
  tenants: [{ tenant_id: 'acme' }, { tenant_id: 'globex' }],
  resources: urls.map((resource, index) => ({
    // Of no tenant: for callers of all of them.
    resource,
    scopes_supported: placeScopes,
    client_id: serverOf(index),
  })),
  clients: [
    agent('reader', urls, 'docs:read'),
    agent('writer', urls, 'docs:read docs:write', { cost_budget_usd: '5' }),
    agent('fired', urls, 'docs:read'),
    agent('lonely', urls, 'docs:read'),
    agent('foreigner', urls, 'docs:read'),
    ...urls.map((_, index) => resourceServer(serverOf(index))),
  ],
  delegation_rules: urls.flatMap((_, index) =>
    ['reader', 'writer', 'fired'].map((from) => ({ from, to: serverOf(index), mode: 'pull' })),
  ),
})

export interface Place {
  url: string
  guard: Guard
}

export interface Places {
  auth: AuthServer
  at: (name: string) => Place
  stop: () => Promise<void>
}

export interface PlaceToOpen {
  name: string
  serve: (guard: Guard) => RequestListener | Promise<RequestListener>
  options?: Partial<ProtectMcpOptions>
}

export const openPlaces = async (wanted: readonly PlaceToOpen[]): Promise<Places> => {
  const opened = await Promise.all(wanted.map(async (one) => ({ ...one, ...(await open()) })))
  const auth = await startAuthServer(configFor(opened.map(({ url }) => url)))
  const places = await Promise.all(
    opened.map(async ({ name, url, use, close, serve, options }, index) => {
      const budget = credentialsOf(serverOf(index))
      const { issuer } = auth
      const guard = protectMcp({ issuer, resource: url, scopes: placeScopes, budget, ...options })
      use(await serve(guard))
      return { name, url, guard, close }
    }),
  )
  return {
    auth,
    at: (wantedName) => {
      const place = places.find(({ name }) => name === wantedName)
      if (!place) throw new Error(`no ${wantedName}`)
      return place
    },
    stop: async () => {
      await Promise.all(places.map(({ guard }) => guard.close()))
      await Promise.all([auth.stop(), ...places.map(({ close }) => close())])
    },
  }
}
