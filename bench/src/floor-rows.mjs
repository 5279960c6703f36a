/**
 * The storage of the floor: a durable row for each token, inserted together with those of the same moment
 * and awaited, and one prepared select for what became of it.
 */
import postgres from 'postgres'

const insert = `insert into floor_tokens (jti, client_id, subject, scope, aud, issued_at, expires_at)
  select jti, client_id, subject, scope, aud, to_timestamp(iat), to_timestamp(exp)
  from jsonb_to_recordset($1::text::jsonb) as t(
    jti text, client_id text, subject text, scope text, aud text, iat bigint, exp bigint)`

const select = 'select revoked_at from floor_tokens where jti = $1'

export const openRows = async (databaseUrl) => {
  const writing = postgres(databaseUrl, { max: 1, onnotice: () => {} })
  const reading = postgres(databaseUrl, { max: 1, onnotice: () => {} })
  await writing.unsafe(`create table if not exists floor_tokens (
    jti text primary key, client_id text not null, subject text not null, scope text not null,
    aud text not null, issued_at timestamptz not null, expires_at timestamptz not null,
    revoked_at timestamptz)`)

  let waiting = []
  let busy = false

  const write = async () => {
    while (waiting.length > 0) {
      const batch = waiting
      waiting = []
      const rows = JSON.stringify(batch.map(({ row }) => row))
      await writing.unsafe(insert, [rows], { prepare: true })
      for (const { done } of batch) done()
    }
    busy = false
  }

  return {
    record: ({ jti, client_id, sub: subject, scope, aud, iat, exp }) =>
      new Promise((done) => {
        waiting.push({ row: { jti, client_id, subject, scope, aud, iat, exp }, done })
        if (busy) return
        busy = true
        setImmediate(write)
      }),

    isAlive: async (jti) => {
      const [row] = await reading.unsafe(select, [jti], { prepare: true })
      return row?.revoked_at === null
    },
  }
}
