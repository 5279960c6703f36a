/**
 * The budget that many write first: look at what is spent, and record the charge if it still fits. Two
 * statements, each of them right. Between them others look at the same sum.
 */
import { createServer } from 'node:http'
import postgres from 'postgres'

const sql = postgres(process.env.DATABASE_URL, { onnotice: () => {} })

await sql`create table charges (budget text not null, amount bigint not null)`
await sql`create index on charges (budget)`

const charge = async ({ budget, amount, cap }) => {
  const [{ spent }] =
    await sql`select coalesce(sum(amount), 0)::int as spent from charges where budget = ${budget}`
  if (spent + amount > cap) return 402
  await sql`insert into charges (budget, amount) values (${budget}, ${amount})`
  return 201
}

const server = createServer((request, response) => {
  let body = ''
  request.on('data', (chunk) => {
    body += chunk
  })
  request.on('end', async () => {
    response.writeHead(await charge(JSON.parse(body))).end()
  })
})
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`listening on http://127.0.0.1:${server.address().port}\n`)
})
process.once('SIGTERM', () => process.exit(0))
