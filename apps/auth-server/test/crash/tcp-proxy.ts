/**
 * A network that behaves badly, on loopback: it delays, cuts and delivers twice. It knows of HTTP only
 * where a request ends, so that it can cut after a whole one.
 */
import { connect, createServer, type Socket } from 'node:net'

/** What becomes of one request. */
export interface Fate {
  /** Milliseconds, or until what, before it goes on, even when the caller has given up by then. */
  delayRequest?: number | Promise<void>
  delayAnswer?: number
  /**
   * The connection ends: when half of the request has arrived, while the server is at work on it, or
   * when it has done so and its answer is on the way.
   */
  cut?: 'halfway' | 'during' | 'answer'
  /** The same bytes go to the server a second time, on a connection of their own, at the same time. */
  twice?: boolean
}

const headEnd = Buffer.from('\r\n\r\n')

/** @returns how long the first request is, once all of it is there */
const requestLength = (bytes: Buffer): number | undefined => {
  const end = bytes.indexOf(headEnd)
  if (end < 0) return undefined
  const head = bytes.subarray(0, end).toString('latin1')
  const length = Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? 0)
  const whole = end + headEnd.length + length
  return bytes.length < whole ? undefined : whole
}

const quietly = (socket: Socket): Socket => socket.on('error', () => socket.destroy())

const open = (target: string): Socket => {
  const { hostname, port } = new URL(target)
  return quietly(connect(Number(port), hostname))
}

const later = (delay: number | Promise<void> | undefined, run: () => void): void => {
  if (delay === undefined) run()
  else if (typeof delay === 'number') setTimeout(run, delay)
  else delay.then(run)
}

export interface ReplayedAnswer {
  status: number
  body: Record<string, unknown>
}

/** Sends recorded bytes as they are, on a fresh connection. */
export const deliver = (target: string, request: Buffer): Promise<ReplayedAnswer> =>
  new Promise((resolve, reject) => {
    const socket = open(target)
    let received = Buffer.alloc(0)
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk])
      const length = requestLength(received)
      if (length === undefined) return
      const text = received.subarray(0, length).toString()
      socket.destroy()
      resolve({
        status: Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1]),
        body: JSON.parse(text.slice(text.indexOf('\r\n\r\n') + 4)),
      })
    })
    socket.once('close', () => reject(new Error('the connection was closed without an answer')))
    socket.write(request)
  })

export interface BadNetworkOptions {
  /** Where the next connection goes; `undefined` when there is nobody, and it is closed at once. */
  target: () => string | undefined
  fate: () => Fate
}

export const startBadNetwork = async ({ target, fate }: BadNetworkOptions) => {
  const sockets = new Set<Socket>()
  const recorded: Buffer[] = []
  const track = (socket: Socket): Socket => {
    sockets.add(socket)
    return socket.once('close', () => sockets.delete(socket))
  }

  /** @returns sends a request on, and what comes back on to the client */
  const forwardTo = (client: Socket, server: Socket) => {
    let unanswered = 0
    const arrive = (request: Buffer, { cut, twice }: Fate): void => {
      const other = twice ? target() : undefined
      if (other !== undefined) deliver(other, request).catch(() => {})
      const whole = cut !== 'halfway'
      server.write(whole ? request : request.subarray(0, request.length / 2), () => {
        if (cut === 'halfway' || cut === 'during') server.destroy()
      })
    }
    const forward = (request: Buffer): void => {
      const chosen = fate()
      recorded.push(request)
      unanswered += 1
      server.removeAllListeners('data').on('data', (chunk) => {
        unanswered = 0
        if (chosen.cut === 'answer' || client.destroyed) server.destroy()
        else later(chosen.delayAnswer, () => client.destroyed || client.write(chunk))
      })
      later(chosen.delayRequest, () => server.destroyed || arrive(request, chosen))
    }
    // What is under way arrives, though nobody waits for the answer any more.
    client.once('close', () => unanswered > 0 || server.destroy())
    server.once('close', () => client.destroy())
    return forward
  }

  const listener = createServer((client) => {
    track(quietly(client))
    const address = target()
    if (address === undefined) {
      client.destroy()
      return
    }
    const forward = forwardTo(client, track(open(address)))
    let waiting = Buffer.alloc(0)
    client.on('data', (chunk) => {
      waiting = Buffer.concat([waiting, chunk])
      for (let end = requestLength(waiting); end !== undefined; end = requestLength(waiting)) {
        forward(waiting.subarray(0, end))
        waiting = waiting.subarray(end)
      }
    })
  })
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
  const { port } = listener.address() as { port: number }
  return {
    url: `http://127.0.0.1:${port}`,
    /** Every whole request that came by. */
    recorded: recorded as readonly Buffer[],
    close: async (): Promise<void> => {
      for (const socket of sockets) socket.destroy()
      await new Promise<void>((resolve) => listener.close(() => resolve()))
    },
  }
}

export type BadNetwork = Awaited<ReturnType<typeof startBadNetwork>>
