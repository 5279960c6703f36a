/**
 * The adapter that oidc-provider asks for, on PostgreSQL: the seven methods of its documentation, each
 * one prepared statement.
 */
import pg from 'pg'

const table = `create table if not exists oidc_models (
  model text, id text, payload jsonb not null, expires_at timestamptz, primary key (model, id))`

const upsert = `insert into oidc_models (model, id, payload, expires_at)
  values ($1, $2, $3, now() + make_interval(secs => $4))
  on conflict (model, id) do update set payload = excluded.payload, expires_at = excluded.expires_at`

const found =
  'select payload from oidc_models where model = $1 and (expires_at > now() or expires_at is null)'

/** Makes the table and puts the clients in. */
export const prepareStorage = async (databaseUrl, clients) => {
  const connection = new pg.Client(databaseUrl)
  await connection.connect()
  await connection.query(table)
  for (const client of clients)
    await connection.query(upsert, ['Client', client.client_id, client, null])
  await connection.end()
}

/** @returns the class that the option `adapter` takes */
export const adapterOn = (databaseUrl) => {
  const pool = new pg.Pool({ connectionString: databaseUrl, max: 10 })
  const run = (name, text, values) => pool.query({ name, text, values })

  return class {
    constructor(model) {
      this.model = model
    }

    async upsert(id, payload, expiresIn) {
      await run('upsert', upsert, [this.model, id, payload, expiresIn ?? null])
    }

    async first(name, condition, value) {
      const { rows } = await run(name, `${found} and ${condition}`, [this.model, value])
      return rows[0]?.payload
    }

    find(id) {
      return this.first('find', 'id = $2', id)
    }

    findByUid(uid) {
      return this.first('uid', "payload->>'uid' = $2", uid)
    }

    findByUserCode(code) {
      return this.first('code', "payload->>'userCode' = $2", code)
    }

    async consume(id) {
      const text = `update oidc_models set payload = payload ||
        jsonb_build_object('consumed', extract(epoch from now())::int) where model = $1 and id = $2`
      await run('consume', text, [this.model, id])
    }

    async destroy(id) {
      await run('destroy', 'delete from oidc_models where model = $1 and id = $2', [this.model, id])
    }

    async revokeByGrantId(grantId) {
      const text = "delete from oidc_models where model = $1 and payload->>'grantId' = $2"
      await run('revoke', text, [this.model, grantId])
    }
  }
}
