/** Where the servers of an example stand: on loopback, wherever there is room. */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'

/** @param port 0 for any. @returns the one that it is */
export const listen = async (server: Server, port = 0): Promise<number> => {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', resolve)
  })
  return (server.address() as AddressInfo).port
}

/** A port that is free now: a server's name must be known before it can be started. */
export const freePort = async (): Promise<number> => {
  const server = createServer()
  const port = await listen(server)
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** Ends them, whoever is still connected. */
export const closeAll = (servers: readonly Server[]): void => {
  for (const server of servers) {
    server.closeAllConnections()
    server.close()
  }
}
