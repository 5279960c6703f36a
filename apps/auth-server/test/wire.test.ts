/** Bytes on a real socket: what no well-behaved client would send. RFC 9112. */
import { connect } from 'node:net'
import { gzipSync } from 'node:zlib'
import { pino } from 'pino'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parseConfig } from '../src/config.js'
import { type RunningServer, startServer } from '../src/server.js'
import { baseConfig, basic, createDatabase, serverSecret } from './harness.js'

const formType = 'application/x-www-form-urlencoded'
const asksForToken = 'grant_type=client_credentials'

let running: RunningServer
let drop: () => Promise<void>
const logged: string[] = []
beforeAll(async () => {
  const database = await createDatabase()
  drop = database.drop
  running = await startServer({
    databaseUrl: database.url,
    port: 0,
    host: '127.0.0.1',
    secret: serverSecret,
    config: parseConfig(JSON.stringify(baseConfig), {}),
    log: pino({ level: 'info' }, { write: (line: string) => logged.push(line) }),
  })
})
afterAll(async () => {
  await running.close()
  await drop()
})

/** Writes bytes as they are, and reads until the server hangs up. */
const raw = (payload: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket = connect(Number(new URL(running.url).port), '127.0.0.1')
    let answer = ''
    socket.setEncoding('latin1')
    socket.on('data', (chunk) => {
      answer += chunk
    })
    socket.on('close', () => resolve(answer))
    socket.on('error', reject)
    socket.write(payload)
  })

const head = (lines: string[]): string =>
  ['POST /token HTTP/1.1', 'Host: x', `Authorization: ${basic('loner')}`, ...lines, '', ''].join(
    '\r\n',
  )
const type = `Content-Type: ${formType}`
const smuggled = 'GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'

test('a request that is as it should be is granted', async () => {
  const length = `Content-Length: ${asksForToken.length}`
  const answer = await raw(head([type, length, 'Connection: close']) + asksForToken)
  expect(answer).toMatch(/^HTTP\/1\.1 200 /)
  expect(answer).toContain('"access_token"')
})

const size = asksForToken.length
const chunked = 'Transfer-Encoding: chunked'
test.each([
  ['a length and chunks', [`Content-Length: ${size}`, chunked], `0\r\n\r\n${smuggled}`],
  ['chunks and a length', [chunked, 'Content-Length: 4'], `5c\r\n${smuggled}`],
  ['two lengths', [`Content-Length: ${size}`, 'Content-Length: 0'], asksForToken + smuggled],
  ['two lengths in one', [`Content-Length: ${size}, 0`], asksForToken + smuggled],
  ['a length that is no number', ['Content-Length: +5'], asksForToken + smuggled],
  ['a hidden coding', ['Transfer-Encoding : chunked'], `0\r\n\r\n${smuggled}`],
  ['an unknown last coding', ['Transfer-Encoding: chunked, x'], `0\r\n\r\n${smuggled}`],
  ['a folded header', ['X-Folded: a', ' b', `Content-Length: ${size}`], asksForToken + smuggled],
  ['a folded coding', ['Transfer-Encoding:', ' chunked'], `0\r\n\r\n${smuggled}`],
  ['a chunk size with a sign', [chunked], `-1\r\n${smuggled}`],
  ['a NUL in a header', ['X-Nul: a\0b', `Content-Length: ${size}`], asksForToken + smuggled],
])('%s: refused, hung up on, and what follows is not read', async (_, lines, rest) => {
  const answer = await raw(head([type, ...lines]) + rest)
  expect(answer).toMatch(/^HTTP\/1\.1 400 /)
  expect(answer.match(/HTTP\/1\.1/g)).toHaveLength(1)
  expect(answer).not.toMatch(/access_token|"status":"ok"/)
})

test('headers beyond 16 KiB are refused', async () => {
  const answer = await raw(head([type, `X-Long: ${'a'.repeat(20_000)}`]))
  expect(answer).toMatch(/^HTTP\/1\.1 431 /)
})

test('a long chunked body is refused before its end', async () => {
  const chunk = `1000\r\n${'x'.repeat(4096)}\r\n`
  const answer = await raw(head([type, chunked, 'Connection: close']) + chunk.repeat(20))
  expect(answer).toMatch(/^HTTP\/1\.1 413 /)
})

test('a compressed body is never unpacked', async () => {
  const before = process.memoryUsage().rss
  const body = gzipSync(Buffer.alloc(20 * 1024 * 1024)).toString('latin1')
  const lines = ['Content-Encoding: gzip', `Content-Length: ${body.length}`, 'Connection: close']
  expect(await raw(head([type, ...lines]) + body)).toMatch(/^HTTP\/1\.1 41[35] /)
  expect(process.memoryUsage().rss - before).toBeLessThan(64 * 1024 * 1024)
})

test('TRACE and CONNECT are not for us', async () => {
  for (const line of ['TRACE / HTTP/1.1', 'FOO / HTTP/1.1']) {
    const answer = await raw(`${line}\r\nHost: x\r\nConnection: close\r\n\r\n`)
    expect(answer).toMatch(/^HTTP\/1\.1 4\d\d /)
  }
})

test.each([
  ['its length', 'Content-Length: 100'],
  ['its last chunk', chunked],
])('a caller that hangs up before %s is refused, and is no failure', async (_, line) => {
  const before = logged.length
  const socket = connect(Number(new URL(running.url).port), '127.0.0.1')
  socket.write(`${head([type, line])}5\r\ngrant\r\n`, () => socket.destroy())
  await expect
    .poll(() => logged.slice(before).map((text) => JSON.parse(text).reason))
    .toEqual(['body_aborted'])
})

test('none of it is a failure in the log', () => {
  expect(logged.filter((line) => JSON.parse(line).level >= 50)).toEqual([])
})
