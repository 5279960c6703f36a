/**
 * A database that is further away: passes TCP on to a port and holds every byte back for so long, in each
 * direction, without holding back how many there are. `node delay-proxy.mjs PORT MILLISECONDS`
 */
import { connect, createServer } from 'node:net'

const [port, milliseconds] = process.argv.slice(2).map(Number)

/** Timers of one length go off in the order in which they were set, so nothing overtakes. */
const passOn = (from, to) => {
  from.on('data', (chunk) => setTimeout(() => to.write(chunk), milliseconds))
  from.on('end', () => setTimeout(() => to.end(), milliseconds))
  from.on('error', () => to.destroy())
}

const server = createServer((client) => {
  const database = connect(port, '127.0.0.1')
  for (const end of [client, database]) end.setNoDelay(true)
  passOn(client, database)
  passOn(database, client)
})
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`listening on http://127.0.0.1:${server.address().port}\n`)
})
