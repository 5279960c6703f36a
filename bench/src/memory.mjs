/** What a server has in memory when nobody asks, and after many tokens. */
import { setTimeout as sleep } from 'node:timers/promises'
import { openForms } from './forms.mjs'
import { rssMiB } from './measure.mjs'
import { prepareTargets } from './targets.mjs'
import { checkToken, clientCredentials, requestToken } from './tokens.mjs'

const names = ['floor', 'floorRows', 'ours', 'oursOnPGlite', 'oidc', 'jmondi', 'betterAuth']
const clientId = 'bench'
const connections = 64
const enough = 100_000
const idleSeconds = 1

const loadUntilEnough = async (target, load, seconds) => {
  let tokens = 0
  let most = 0
  for (let second = 0; second < seconds && tokens < enough; second += 1) {
    const { served, refused, errors } = await load(1)
    if (refused + errors > 0) throw new Error(`${target.name}: ${refused + errors} errors`)
    tokens += served
    most = Math.max(most, rssMiB(target.pid))
  }
  return { tokens, most }
}

/** Makes tables and keys: what that takes does not stay for long, and happens once. */
const startForTheFirstTime = async (prepared) => {
  const server = await prepared.start()
  await server.stop()
}

const measureOne = async (prepared, forms, seconds) => {
  await startForTheFirstTime(prepared)
  const server = await prepared.start()
  try {
    const target = { ...prepared, ...server }
    const form = clientCredentials(target)
    await checkToken(target, await requestToken(target, clientId, form))
    await sleep(idleSeconds * 1000)
    const idle = rssMiB(target.pid)
    const load = forms.loadOf(target, target.paths.token, { clientId, forms: [form], connections })
    const { tokens, most } = await loadUntilEnough(target, load, seconds)
    // What was under way when the load ended is done first.
    await sleep(idleSeconds * 1000)
    return {
      name: target.name,
      idle_mib: Math.round(idle),
      tokens,
      most_mib: Math.round(most),
    }
  } finally {
    await server.stop()
  }
}

/**
 * @param {(line: string) => void} say shows progress
 * @param {{ seconds?: number }} [options] how long each may take for its tokens
 */
export const measureMemory = async (say, { seconds = 9 } = {}) => {
  const forms = openForms()
  const { targets, stop } = await prepareTargets(names, say)
  try {
    const figures = []
    for (const target of targets) {
      const figure = await measureOne(target, forms, seconds)
      figures.push(figure)
      say(
        `${figure.name}: ${figure.idle_mib} MiB, ${figure.most_mib} after ${figure.tokens} tokens`,
      )
    }
    return {
      title: `Memory, Node ${process.versions.node}`,
      columns: ['server', 'RSS idle, MiB', 'RSS at most, MiB', 'after so many tokens'],
      rows: figures.map((one) => [one.name, one.idle_mib, one.most_mib, one.tokens]),
      notes: [
        `Idle is ${idleSeconds} s after the first token. Then ${enough} tokens, or as many as there are in ${seconds} s. All run with \`--max-semi-space-size=64\`: most of the growth is that young generation.`,
      ],
      figures,
    }
  } finally {
    await stop()
    forms.close()
  }
}
