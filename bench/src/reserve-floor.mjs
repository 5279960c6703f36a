/**
 * The floor of a reservation: the least that can be done for one that is durable when it is answered.
 * node:http, JSON, a SHA-256 secret check, and as many rows as a reservation writes (itself, the answer
 * to its key, its entry, the new balance), inserted together with those of the same moment. No limit is
 * looked at, nothing is locked or updated, a repeated key is not known.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { createServer } from 'node:http'
import postgres from 'postgres'

const hash = (secret) => createHash('sha256').update(secret).digest()
/** All clients have the same secret here. */
const expected = hash(process.env.BENCH_SECRET)
const sql = postgres(process.env.DATABASE_URL, { max: 1, onnotice: () => {} })

await sql.unsafe(`create table if not exists floor_rows (
  id bigserial primary key, name text not null, about text not null, amount bigint not null,
  at timestamptz not null)`)

const insert = `insert into floor_rows (name, about, amount, at)
  select name, about, 10000, now() from unnest($1::text[], $2::text[]) as t(name, about)`

let waiting = []
let writing = false

const write = async () => {
  while (waiting.length > 0) {
    const batch = waiting
    waiting = []
    const names = batch.flatMap(({ id, key, delegation }) => [id, key, delegation, delegation])
    const about = batch.flatMap(({ id, delegation, text }) => [delegation, text, id, id])
    await sql.unsafe(insert, [names, about], { prepare: true })
    for (const { done } of batch) done()
  }
  writing = false
}

const durable = (row) =>
  new Promise((done) => {
    waiting.push({ ...row, done })
    if (writing) return
    writing = true
    setImmediate(write)
  })

const isClient = (authorization) => {
  const [, secret] = Buffer.from(authorization.slice(6), 'base64').toString().split(':')
  return timingSafeEqual(expected, hash(secret))
}

const reserve = async ({ headers }, body) => {
  if (!isClient(headers.authorization)) return [401, '{}']
  const { delegation_id: delegation, amount_usd } = JSON.parse(body)
  const id = `rsv_${randomBytes(16).toString('base64url')}`
  const text = JSON.stringify({ id, delegation_id: delegation, state: 'reserved', amount_usd })
  await durable({ id, key: headers['idempotency-key'], delegation, text })
  return [201, text]
}

const server = createServer((request, response) => {
  let body = ''
  request.setEncoding('utf8')
  request.on('data', (chunk) => {
    body += chunk
  })
  request.on('end', async () => {
    const [status, text] = await reserve(request, body)
    response.writeHead(status, { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' })
    response.end(text)
  })
})
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`listening on http://127.0.0.1:${server.address().port}\n`)
})
process.once('SIGTERM', () => process.exit(0))
