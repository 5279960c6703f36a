/** Load on a server: how much it served, how fast, and how often it said no. */
import { spawn, spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import autocannon from 'autocannon'

/** Slow is not wrong: only an answer that does not come at all is an error. */
const timeoutSeconds = 60

/** @returns what was served in `seconds`; latencies in milliseconds */
export const autocannonLoad = async (request, { connections, seconds }) => {
  const timing = { duration: seconds, timeout: timeoutSeconds }
  const result = await autocannon({ ...request, connections, ...timing })
  return {
    served: result['2xx'],
    seconds: result.duration,
    p50: result.latency.p50,
    p99: result.latency.p99,
    refused: result.non2xx,
    errors: result.errors,
  }
}

const here = (name) => fileURLToPath(new URL(name, import.meta.url))

/** @returns what the last line of a program that makes load says */
const resultOf = (program, args) =>
  new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    let output = ''
    child.stdout.on('data', (chunk) => {
      output += chunk
    })
    child.once('error', reject)
    child.once('close', () => {
      const result = /^RESULT (.*)$/m.exec(output)?.[1]
      if (result) resolve(JSON.parse(result))
      else reject(new Error(`${program}: ${output}`))
    })
  })

const wrk =
  (script) =>
  ({ url, authorization, file }, { connections, seconds }) => {
    const size = ['--threads', '1', '--connections', String(connections)]
    const timing = ['--duration', `${seconds}s`, '--timeout', `${timeoutSeconds}s`]
    const args = [...size, ...timing, '--script', here(script), url, '--', authorization, file]
    return resultOf('wrk', args)
  }

const autocannonReservations = ({ url, authorization, file }, options) => {
  const ids = readFileSync(file, 'utf8').trim().split('\n')
  const setupRequest = (request) => ({
    ...request,
    headers: {
      authorization,
      'content-type': 'application/json',
      'idempotency-key': randomUUID(),
    },
    body: JSON.stringify({
      delegation_id: ids[Math.floor(Math.random() * ids.length)],
      amount_usd: '0.01',
      action: 'docs.read',
      ttl_seconds: 600,
    }),
  })
  const requests = [{ method: 'POST', path: '/ledger/reservations', setupRequest }]
  return autocannonLoad({ url, requests }, options)
}

const hasWrk = spawnSync('wrk', ['--version']).error === undefined

const autocannonPosts = (target, options) =>
  resultOf(process.execPath, [here('./post-load.mjs'), JSON.stringify({ ...target, ...options })])

/** wrk is in C and takes a fifth of the CPU; autocannon is there where wrk is not. */
export const loadTool = hasWrk ? 'wrk' : 'autocannon'

/**
 * Forms, each time one of those in a file.
 *
 * @param target `{ url, authorization, file }`: `file` has one form in each line
 */
export const postLoad = hasWrk ? wrk('./post.lua') : autocannonPosts

/**
 * Reservations of 0.01, each with a key of its own, on random ones of some delegations. None expires
 * while this runs.
 *
 * @param target `{ url, authorization, file }`: `file` has one delegation id in each line
 */
export const reservationLoad = hasWrk ? wrk('./reserve.lua') : autocannonReservations
