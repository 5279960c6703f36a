/** The way to other people's hosts: names, connections, time. Tests put a network of their own here. */
import { Resolver } from 'node:dns/promises'
import { connect as connectSocket, type Socket } from 'node:net'

export interface DocumentNetwork {
  /** Every address of a name. It is asked once for each document that is fetched. */
  lookup: (hostname: string) => Promise<string[]>
  /** A connection to exactly this address. */
  connect: (address: string, port: number) => Socket
  /** Certificate authorities to trust; absent: those that Node trusts. */
  ca?: string | undefined
  /** For all of it: name, connection, TLS, headers, body. */
  timeLimitMs: number
}

/**
 * Not by `dns.lookup`: that takes one of the few threads of the process for as long as a name server
 * likes, and knows the names of `/etc/hosts`.
 */
const lookup = async (hostname: string): Promise<string[]> => {
  const resolver = new Resolver({ timeout: 1500, tries: 2 })
  const answers = await Promise.allSettled([
    resolver.resolve4(hostname),
    resolver.resolve6(hostname),
  ])
  return answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []))
}

export const publicNetwork: DocumentNetwork = {
  lookup,
  connect: (host, port) => connectSocket({ host, port }),
  timeLimitMs: 4000,
}
