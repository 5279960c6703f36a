/**
 * One GET of a document that a stranger has named, over TLS, at an address that was checked.
 * Client ID Metadata Document §5, §6.
 */
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import type { DocumentNetwork } from './metadata-document-network.js'
import { isPublicAddress } from './public-address.js'

/** Client ID Metadata Document §6.6 recommends 5 kilobytes. */
const maxBytes = 5 * 1024
const maxHeaderBytes = 8 * 1024
const maxAddresses = 4
const httpsPort = 443

export interface FetchedDocument {
  bytes: Uint8Array
  headers: IncomingHttpHeaders
}

/**
 * Why there is no document. For the log and for us: outside, all of these are one answer, and it takes
 * the same time.
 */
export class DocumentFailure extends Error {
  override readonly name = 'DocumentFailure'
  constructor(
    message: string,
    /** True when the host itself answered, with something that is no document. */
    readonly isAnswer: boolean,
    cause?: unknown,
  ) {
    super(message, { cause })
  }
}

const away = (message: string, cause?: unknown) => new DocumentFailure(message, false, cause)
const noDocument = (message: string) => new DocumentFailure(message, true)

/**
 * The addresses are looked up once and used as they were checked: a name that answers otherwise a
 * moment later gains nothing. One that is not public spoils them all.
 */
const checkedAddresses = async (url: URL, network: DocumentNetwork): Promise<string[]> => {
  const addresses = await network.lookup(url.hostname)
  if (addresses.length === 0) throw away('the name has no address')
  if (!addresses.every(isPublicAddress)) throw away('an address of the name is not public')
  return addresses.slice(0, maxAddresses)
}

/** TLS proves the name, whatever the address. */
const connect = (url: URL, address: string, network: DocumentNetwork): TLSSocket => {
  const socket = network.connect(address, Number(url.port || httpsPort))
  const secure = connectTls({ socket, servername: url.hostname, ca: network.ca })
  socket.once('error', (error) => secure.destroy(error))
  secure.once('close', () => socket.destroy())
  return secure
}

/** Never follows a redirect: the id names the document, and nothing else does. */
const get = (
  url: URL,
  address: string,
  { network, signal }: { network: DocumentNetwork; signal: AbortSignal },
): Promise<IncomingMessage> =>
  new Promise((resolve, reject) => {
    const request = httpsRequest({
      host: url.hostname,
      port: url.port || httpsPort,
      path: url.pathname + url.search,
      headers: {
        Host: url.host,
        Accept: 'application/json',
        // What is not compressed cannot unpack to more than it is.
        'Accept-Encoding': 'identity',
        'User-Agent': 'Behalf',
      },
      createConnection: () => connect(url, address, network),
      maxHeaderSize: maxHeaderBytes,
      signal,
    })
    request.once('response', resolve)
    request.once('error', reject)
    request.end()
  })

const firstAnswer = async (
  url: URL,
  addresses: readonly string[],
  options: { network: DocumentNetwork; signal: AbortSignal },
): Promise<IncomingMessage> => {
  let failure: unknown
  for (const address of addresses) {
    try {
      return await get(url, address, options)
    } catch (error) {
      failure = error
    }
  }
  throw away('no address answers', failure)
}

const isJson = (type = ''): boolean =>
  /^application\/(?:[a-z0-9.-]+\+)?json$/.test(type.split(';')[0]?.trim().toLowerCase() ?? '')

const checkHeaders = ({ statusCode = 0, headers }: IncomingMessage): void => {
  if (statusCode >= 500) throw away(`the host answers ${statusCode}`)
  if (statusCode !== 200) throw noDocument(`the host answers ${statusCode}`)
  if (!isJson(headers['content-type'])) throw noDocument('the answer is not JSON')
  const encoding = headers['content-encoding'] ?? 'identity'
  if (encoding.toLowerCase() !== 'identity') throw noDocument('the answer is compressed')
  if (Number(headers['content-length'] ?? 0) > maxBytes) throw noDocument('the answer is too large')
}

const readBody = async (response: IncomingMessage): Promise<Uint8Array> => {
  const chunks: Uint8Array[] = []
  let bytes = 0
  const stream: AsyncIterable<Uint8Array> = response
  for await (const chunk of stream) {
    bytes += chunk.length
    if (bytes > maxBytes) throw noDocument('the answer is too large')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

const fetchWithin = async (
  url: URL,
  network: DocumentNetwork,
  signal: AbortSignal,
): Promise<FetchedDocument> => {
  const addresses = await checkedAddresses(url, network)
  signal.throwIfAborted()
  const response = await firstAnswer(url, addresses, { network, signal })
  try {
    checkHeaders(response)
    return { bytes: await readBody(response), headers: response.headers }
  } finally {
    response.destroy()
  }
}

/** @throws DocumentFailure */
export const fetchDocument = async (
  url: URL,
  network: DocumentNetwork,
): Promise<FetchedDocument> => {
  const abort = new AbortController()
  let onLate = (_: Error): void => {}
  const late = new Promise<never>((_, reject) => {
    onLate = reject
  })
  const timer = setTimeout(() => {
    onLate(away('it takes too long'))
    abort.abort()
  }, network.timeLimitMs)
  try {
    return await Promise.race([fetchWithin(url, network, abort.signal), late])
  } catch (error) {
    throw error instanceof DocumentFailure ? error : away('the connection failed', error)
  } finally {
    clearTimeout(timer)
    abort.abort()
  }
}
