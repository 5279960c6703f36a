/** Requests of a kind made one by one, for what autocannon cannot say: each differs, and they may run out. */
import http from 'node:http'

const send = (agent, base, { method = 'GET', path, headers = {}, body }) =>
  new Promise((resolve, reject) => {
    const text = body === undefined ? undefined : String(body)
    const length = text === undefined ? {} : { 'content-length': Buffer.byteLength(text) }
    const options = { agent, method, headers: { ...headers, ...length } }
    const request = http.request(new URL(path, base), options, (response) => {
      const chunks = []
      response.on('data', (chunk) => chunks.push(chunk))
      response.once('end', () => {
        resolve({ status: response.statusCode, text: Buffer.concat(chunks).toString() })
      })
    })
    request.once('error', reject)
    request.end(text)
  })

const quantile = (sorted, part) =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))]

/**
 * @param next makes a request, or nothing when there are no more
 * @param most requests of one round
 * @returns a `load` as `measureInTurn` asks for it
 */
export const drive =
  ({ url, next, most, connections = 8 }) =>
  async (seconds) => {
    const agent = new http.Agent({ keepAlive: true, maxSockets: connections })
    const times = []
    const counts = { refused: 0, errors: 0 }
    const began = performance.now()
    let asked = 0
    const worker = async () => {
      while (performance.now() - began < seconds * 1000 && asked < most) {
        const request = next()
        if (!request) return
        asked += 1
        const start = performance.now()
        const { status } = await send(agent, url, request)
        times.push(performance.now() - start)
        if (status >= 300) counts.refused += 1
      }
    }
    await Promise.all(Array.from({ length: connections }, worker))
    agent.destroy()
    times.sort((one, other) => one - other)
    return {
      served: times.length - counts.refused,
      seconds: (performance.now() - began) / 1000,
      p50: quantile(times, 0.5),
      p99: quantile(times, 0.99),
      ...counts,
    }
  }

/** One request, and its answer as JSON. */
export const ask = async (url, request) => {
  const agent = new http.Agent()
  const { status, text } = await send(agent, url, request)
  agent.destroy()
  if (status >= 300) throw new Error(`${request.path}: ${status} ${text}`)
  return JSON.parse(text)
}
