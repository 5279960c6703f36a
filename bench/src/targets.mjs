/** What is measured: how each is set up and started, where it answers, and what it keeps of a token. */
import { openDatabases } from './databases.mjs'
import { oursConfig } from './ours-config.mjs'
import { basic, clients, resource, secret, startFloor, startOurs, startPeer } from './servers.mjs'

const paths = { token: '/token', introspect: '/introspect', jwks: '/jwks' }
const betterAuthPaths = {
  token: '/api/auth/oauth2/token',
  introspect: '/api/auth/oauth2/introspect',
  jwks: '/api/auth/jwks',
}
const betterAuthSecret = 'a secret of better-auth in the benchmark'

/** The setup is loaded when it is needed: better-auth is large. */
const setUps = {
  jmondi: async (databaseUrl) => {
    const { prepareStorage } = await import('./peers/jmondi-storage.mjs')
    await prepareStorage(databaseUrl, clients.join(' '), secret)
  },
  oidc: async (databaseUrl) => {
    const { prepareStorage } = await import('./peers/oidc-storage.mjs')
    const { oidcClients } = await import('./peers/oidc-clients.mjs')
    await prepareStorage(databaseUrl, oidcClients(clients.join(' '), secret))
  },
  betterAuth: async (databaseUrl) => {
    const { setUpBetterAuth } = await import('./peers/better-auth-setup.mjs')
    const url = 'http://127.0.0.1'
    return setUpBetterAuth({ databaseUrl, url, secret: betterAuthSecret, resource })
  },
}

/**
 * Each has a `name`, what it `stores` of a token, where its database is, if it has one, an optional
 * `setUp(databaseUrl)` and `start(databaseUrl, whatSetUpReturned)`.
 */
const all = {
  floor: {
    name: 'floor: node:http, no storage',
    stores: 'nothing',
    paths,
    start: () => startFloor(),
  },
  floorRows: {
    name: 'floor with a row, in shared commits',
    stores: '1 row per token, before the answer',
    database: 'create',
    paths,
    start: startFloor,
  },
  ours: {
    name: 'ours on PostgreSQL',
    stores: '1 row per token, before the answer',
    database: 'create',
    paths,
    start: (databaseUrl) => startOurs(databaseUrl, oursConfig),
  },
  oursOnPGlite: {
    name: 'ours on PGlite',
    stores: '1 row per token, before the answer, in its own process',
    database: 'folder',
    paths,
    start: (databaseUrl) => startOurs(databaseUrl, oursConfig),
  },
  oidc: {
    name: 'oidc-provider on PostgreSQL',
    stores: 'nothing of a JWT; reads the client each time',
    database: 'create',
    paths: { ...paths, introspect: '/token/introspection' },
    setUp: setUps.oidc,
    start: (databaseUrl) => startPeer('oidc-provider', { DATABASE_URL: databaseUrl }),
  },
  oidcInMemory: {
    name: 'oidc-provider in memory',
    stores: 'nothing of a JWT; the client is in its configuration',
    paths: { ...paths, introspect: '/token/introspection' },
    start: () => startPeer('oidc-provider'),
  },
  jmondi: {
    name: '@jmondi/oauth2-server on PostgreSQL',
    stores: '1 row per token, a commit each; reads the client each time',
    database: 'create',
    paths,
    setUp: setUps.jmondi,
    start: (databaseUrl) => startPeer('jmondi', { DATABASE_URL: databaseUrl }),
    // It knows `audience` for what RFC 8707 calls `resource`.
    target: { audience: resource },
  },
  betterAuth: {
    name: 'better-auth on PostgreSQL',
    stores: 'nothing of a JWT; the client and the resource are in its caches',
    database: 'create',
    paths: betterAuthPaths,
    setUp: setUps.betterAuth,
    start: (databaseUrl, { clientId }) =>
      startPeer('better-auth', {
        DATABASE_URL: databaseUrl,
        BETTER_AUTH_SECRET: betterAuthSecret,
        BENCH_CLIENT_ID: clientId,
      }),
    // It makes ids and secrets itself. There is one client, whatever it is called here.
    authorization: ({ clientId, clientSecret }) => basic(clientId, clientSecret),
  },
}

/** What can be started again and again on the same database. */
const prepare = async (key, databases) => {
  const target = all[key]
  const { database, setUp, authorization, start } = target
  const databaseUrl = database && (await databases[database]())
  const known = await setUp?.(databaseUrl)
  return {
    ...target,
    key,
    target: target.target ?? { resource },
    authorization: (clientId) => authorization?.(known) ?? basic(clientId),
    start: () => start(databaseUrl, known),
    databasePid: database === 'create' ? databases.pid : undefined,
  }
}

/**
 * @param {(keyof all)[]} names
 * @returns `{ targets, stop() }`: prepared, not started
 */
export const prepareTargets = async (names, say) => {
  say('Starting PostgreSQL (fsync on)')
  const databases = await openDatabases()
  const targets = []
  try {
    for (const name of names) {
      say(`Preparing ${all[name].name}`)
      targets.push(await prepare(name, databases))
    }
  } catch (error) {
    await databases.stop()
    throw error
  }
  return { targets, stop: () => databases.stop() }
}

/** Starts all of them side by side. What came up is stopped when one does not. */
export const startTargets = async (names, say) => {
  const prepared = await prepareTargets(names, say)
  const targets = []
  const stop = async () => {
    await Promise.all(targets.map((target) => target.stop()))
    await prepared.stop()
  }
  try {
    for (const target of prepared.targets) targets.push({ ...target, ...(await target.start()) })
  } catch (error) {
    await stop()
    throw error
  }
  return { targets, stop }
}
