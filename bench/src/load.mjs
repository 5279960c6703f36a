/** Load on a server: how much it served, how fast, and how often it said no. */
import { spawn, spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import autocannon from 'autocannon'

/** @returns what was served in `seconds`; latencies in milliseconds */
export const autocannonLoad = async (request, { connections, seconds }) => {
  const result = await autocannon({ ...request, connections, duration: seconds })
  return {
    served: result['2xx'],
    seconds: result.duration,
    p50: result.latency.p50,
    p99: result.latency.p99,
    refused: result.non2xx,
    errors: result.errors,
  }
}

const script = fileURLToPath(new URL('./reserve.lua', import.meta.url))

const wrkReservations = ({ url, authorization, file }, { connections, seconds }) =>
  new Promise((resolve, reject) => {
    const size = ['--threads', '1', '--connections', connections, '--duration', `${seconds}s`]
    const args = [...size.map(String), '--script', script, url, '--', authorization, file]
    const child = spawn('wrk', args, { stdio: ['ignore', 'pipe', 'inherit'] })
    let output = ''
    child.stdout.on('data', (chunk) => {
      output += chunk
    })
    child.once('close', () => {
      const result = /^RESULT (.*)$/m.exec(output)?.[1]
      if (result) resolve(JSON.parse(result))
      else reject(new Error(`wrk: ${output}`))
    })
  })

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

/** wrk is in C and takes a fifth of the CPU; autocannon is there where wrk is not. */
export const reservationTool = hasWrk ? 'wrk' : 'autocannon'

/**
 * Reservations of 0.01, each with a key of its own, on random ones of some delegations. None expires
 * while this runs.
 *
 * @param target `{ url, authorization, file }`: `file` has one delegation id in each line
 */
export const reservationLoad = hasWrk ? wrkReservations : autocannonReservations
