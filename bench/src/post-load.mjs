/**
 * Where wrk is not: autocannon in a process of its own, so that what makes the load and what counts it do
 * not wait for each other. `node post-load.mjs JSON` prints the result as JSON.
 */
import { readFileSync } from 'node:fs'
import { autocannonLoad } from './load.mjs'

const { url, authorization, file, connections, seconds } = JSON.parse(process.argv[2])
const headers = { authorization, 'content-type': 'application/x-www-form-urlencoded' }
const { pathname } = new URL(url)
const requests = readFileSync(file, 'utf8')
  .trim()
  .split('\n')
  .map((body) => ({ method: 'POST', path: pathname, headers, body }))
const result = await autocannonLoad({ url, requests }, { connections, seconds })
process.stdout.write(`RESULT ${JSON.stringify(result)}\n`)
