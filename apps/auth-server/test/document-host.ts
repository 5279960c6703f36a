/** Stands for the public Internet: every name leads to one TLS server on loopback, and all is counted. */
import { readFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import { type AddressInfo, connect, createServer as createTcpServer, type Server } from 'node:net'
import { fileURLToPath } from 'node:url'
import type { DocumentNetwork } from '../src/registration/metadata-document-network.js'

const pem = (name: string): string =>
  readFileSync(fileURLToPath(new URL(`./document-host/${name}.pem`, import.meta.url)), 'utf8')

export const publicAddress = '93.184.215.14'

export const redirectUri = 'https://app.example.test/callback'

/** A good document about the client of this id. */
export const documentOf = (client_id: string, more: object = {}): Record<string, unknown> => ({
  client_id,
  client_name: 'Example App',
  redirect_uris: [redirectUri, 'http://127.0.0.1:33418/'],
  grant_types: ['authorization_code', 'refresh_token'],
  response_types: ['code'],
  token_endpoint_auth_method: 'none',
  ...more,
})

type Answer = (request: IncomingMessage, response: ServerResponse) => void

export const json =
  (body: unknown, headers: Record<string, string> = {}, status = 200): Answer =>
  (_, response) => {
    response.writeHead(status, { 'Content-Type': 'application/json', ...headers })
    response.end(typeof body === 'string' ? body : JSON.stringify(body))
  }

const listen = (server: Server): Promise<number> =>
  new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port))
  })

export const openDocumentHost = async (timeLimitMs = 400) => {
  const answers = new Map<string, Answer>()
  /** What a name leads to; each lookup takes the next, the last one stays. */
  const names = new Map<string, string[][]>()
  const requests: { url: string; headers: IncomingMessage['headers'] }[] = []
  const lookups: string[] = []
  const connections: string[] = []

  const server = createServer(
    { key: pem('key'), cert: pem('certificate') },
    (request, response) => {
      const url = `https://${request.headers.host}${request.url}`
      requests.push({ url, headers: request.headers })
      const answer = answers.get(url) ?? json({ error: 'not here' }, {}, 404)
      answer(request, response)
    },
  )
  const port = await listen(server)
  // An open port where nobody speaks TLS.
  const plain = createTcpServer((socket) => socket.on('error', () => {}).end('SSH-2.0-other\r\n'))
  const plainPort = await listen(plain)

  const network: DocumentNetwork = {
    lookup: async (name) => {
      lookups.push(name)
      if (name.startsWith('silent.')) return new Promise<string[]>(() => {})
      const [next = [publicAddress], ...rest] = names.get(name) ?? []
      if (rest.length > 0) names.set(name, rest)
      return next
    },
    connect: (address, wanted) => {
      connections.push(`${address}:${wanted}`)
      const open: Record<number, number> = { 443: port, 22: plainPort }
      return connect({ host: '127.0.0.1', port: open[wanted] ?? 1 })
    },
    ca: pem('certificate'),
    timeLimitMs,
  }

  return {
    network,
    requests,
    lookups,
    connections,
    /** Answers at a URL with a document, or in any other way. */
    serve: (url: string, answer: Answer | Record<string, unknown>): string => {
      answers.set(url, typeof answer === 'function' ? answer : json(answer))
      return url
    },
    name: (name: string, ...results: string[][]): void => {
      names.set(name, results)
    },
    reads: (url: string): number => requests.filter((one) => one.url === url).length,
    close: async (): Promise<void> => {
      server.closeAllConnections()
      server.close()
      plain.close()
    },
  }
}

export type DocumentHost = Awaited<ReturnType<typeof openDocumentHost>>
