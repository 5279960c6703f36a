/** From the start of a process to its first token, on a database that it has seen before. */
import { median, rssMiB } from './measure.mjs'
import { prepareTargets } from './targets.mjs'
import { checkToken, clientCredentials, requestToken } from './tokens.mjs'

const names = ['floor', 'floorRows', 'ours', 'oursOnPGlite', 'oidc', 'jmondi', 'betterAuth']

/** @returns milliseconds since the process was started, and what it has in memory after its first token */
const startOnce = async (prepared) => {
  const server = await prepared.start()
  try {
    const listening = performance.now() - server.begun
    const target = { ...prepared, ...server }
    const token = await requestToken(target, 'bench', clientCredentials(target))
    const firstToken = performance.now() - server.begun
    const rss = rssMiB(server.pid)
    await checkToken(target, token)
    return { listening, firstToken, rss }
  } finally {
    await server.stop()
  }
}

const measureInTurn = async (targets, rounds, say) => {
  // The first start of all makes tables, keys and caches of the disk.
  for (const target of targets) await startOnce(target)
  const results = targets.map(() => [])
  for (let round = 1; round <= rounds; round += 1) {
    for (const [index, target] of targets.entries()) {
      const result = await startOnce(target)
      results[index].push(result)
      say(`round ${round} of ${rounds}: ${target.name}: ${Math.round(result.firstToken)} ms`)
    }
  }
  return results.map((list) => ({
    listening_ms: Math.round(median(list.map(({ listening }) => listening))),
    first_token_ms: Math.round(median(list.map(({ firstToken }) => firstToken))),
    rss_mib: Math.round(median(list.map(({ rss }) => rss))),
  }))
}

/**
 * @param {(line: string) => void} say shows progress
 * @param {{ rounds?: number }} [options]
 */
export const measureCold = async (say, { rounds = 3 } = {}) => {
  const { targets, stop } = await prepareTargets(names, say)
  try {
    const results = await measureInTurn(targets, rounds, say)
    const figures = results.map((result, index) => ({ name: targets[index].name, ...result }))
    return {
      title: `Cold start, Node ${process.versions.node}`,
      columns: ['server', 'listening, ms', 'first token, ms', 'RSS with one token, MiB'],
      rows: figures.map((one) => [one.name, one.listening_ms, one.first_token_ms, one.rss_mib]),
      notes: [
        'From the start of the process. The tables are there and PostgreSQL runs; PGlite starts within the process.',
      ],
      figures,
    }
  } finally {
    await stop()
  }
}
