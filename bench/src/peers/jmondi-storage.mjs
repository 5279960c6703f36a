/**
 * The repositories that @jmondi/oauth2-server asks for, on PostgreSQL with prepared statements. Its tokens
 * are rows; its scopes are in memory, as there are two.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import pg from 'pg'

const tables = `
  create table if not exists oauth_clients (id text primary key, name text not null,
    secret_hash bytea not null, allowed_grants text[] not null, scopes text[] not null);
  create table if not exists oauth_tokens (access_token text primary key,
    access_token_expires_at timestamptz not null, client_id text not null references oauth_clients,
    user_id text, scopes text[] not null)`

const hash = (secret) => createHash('sha256').update(secret).digest()
const grants = ['client_credentials', 'urn:ietf:params:oauth:grant-type:token-exchange']
const scopeNames = ['docs:read', 'docs:write']
const toScopes = (names) => names.map((name) => ({ name }))

/** Makes the tables and puts the clients in. */
export const prepareStorage = async (databaseUrl, ids, secret) => {
  const connection = new pg.Client(databaseUrl)
  await connection.connect()
  await connection.query(tables)
  for (const id of ids.split(' ')) {
    const values = [id, id, hash(secret), grants, scopeNames]
    await connection.query('insert into oauth_clients values ($1, $2, $3, $4, $5)', values)
  }
  await connection.end()
}

const toClient = (row) => ({
  id: row.id,
  name: row.name,
  // What it looks at to tell a confidential client; it is compared below.
  secret: 'hashed',
  secretHash: row.secret_hash,
  redirectUris: [],
  allowedGrants: row.allowed_grants,
  scopes: toScopes(row.scopes),
})

const clientsOn = (run) => ({
  getByIdentifier: async (id) => {
    const row = await run('client', 'select * from oauth_clients where id = $1', [id])
    if (!row) throw new Error('no such client')
    return toClient(row)
  },
  isClientValid: async (grantType, client, secret) =>
    client.allowedGrants.includes(grantType) && timingSafeEqual(hash(secret), client.secretHash),
})

const tokensOn = (run) => ({
  issueToken: async (client, scopes, user) => ({
    accessToken: randomBytes(32).toString('hex'),
    accessTokenExpiresAt: new Date(),
    client,
    user,
    scopes,
  }),
  persist: async ({ accessToken, accessTokenExpiresAt, client, user, scopes }) => {
    const values = [accessToken, accessTokenExpiresAt, client.id, user?.id ?? null]
    const text = 'insert into oauth_tokens values ($1, $2, $3, $4, $5)'
    await run('persist', text, [...values, scopes.map(({ name }) => name)])
  },
  getByAccessToken: async (accessToken) => {
    const text = `select t.access_token_expires_at, t.scopes, t.client_id, c.name
      from oauth_tokens t join oauth_clients c on c.id = t.client_id where t.access_token = $1`
    const row = await run('token', text, [accessToken])
    if (!row) throw new Error('no such token')
    return {
      accessToken,
      accessTokenExpiresAt: row.access_token_expires_at,
      client: { id: row.client_id, name: row.name },
      scopes: toScopes(row.scopes),
    }
  },
  revoke: ({ accessToken }) =>
    run('revoke', 'delete from oauth_tokens where access_token = $1', [accessToken]),
})

const scopes = {
  getAllByIdentifiers: async (names) => toScopes(names.filter((name) => scopeNames.includes(name))),
  finalize: async (asked, _grantType, client) => {
    const allowed = client.scopes.map(({ name }) => name)
    return asked.filter(({ name }) => allowed.includes(name))
  },
}

export const repositoriesOn = (databaseUrl) => {
  const pool = new pg.Pool({ connectionString: databaseUrl, max: 10 })
  const run = async (name, text, values) => (await pool.query({ name, text, values })).rows[0]
  return { clients: clientsOn(run), tokens: tokensOn(run), scopes }
}
