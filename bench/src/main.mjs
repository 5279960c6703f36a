/** `npm run bench -- [part ...] [--seconds n] [--rounds n]`: our server beside its floor and its peers. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { measureBudget } from './budget.mjs'
import { measureCold } from './cold.mjs'
import { measureExchange } from './exchange.mjs'
import { measureGrowth } from './growth.mjs'
import { measureIntrospect } from './introspect.mjs'
import { measureMemory } from './memory.mjs'
import { machine } from './report.mjs'
import { measureScale } from './scale.mjs'
import { measureToken } from './token.mjs'
import { measureVerify } from './verify.mjs'

/** Each: `(say, { seconds?, rounds? }) => report | report[]`. Run in this order. */
const parts = {
  token: measureToken,
  exchange: measureExchange,
  introspect: measureIntrospect,
  verify: measureVerify,
  budget: measureBudget,
  cold: measureCold,
  memory: measureMemory,
  scale: measureScale,
}
// It takes long and fills the disk: by its name only.
Object.defineProperty(parts, 'growth', { value: measureGrowth })

const row = (cells) => `| ${cells.join(' | ')} |`

const tableOf = ({ title, columns, rows, notes = [] }) => {
  const table = [row(columns), row(columns.map(() => '---')), ...rows.map(row)]
  return [`### ${title}`, '', ...table, ...notes.flatMap((note) => ['', note])].join('\n')
}

const results = fileURLToPath(new URL('../results/', import.meta.url))

const runPart = async (name, options, say) => {
  const reports = [await parts[name](say, options)].flat()
  const markdown = `${reports.map(tableOf).join('\n\n')}\n`
  const json = JSON.stringify({ part: name, ...machine(), reports }, undefined, 2)
  writeFileSync(`${results}${name}.json`, `${json}\n`)
  writeFileSync(`${results}${name}.md`, markdown)
  process.stdout.write(`\n${markdown}`)
}

const positive = (name, text) => {
  if (text === undefined) return {}
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 1)
    throw new Error(`--${name} is not a number: ${text}`)
  return { [name]: value }
}

const readArguments = (args) => {
  const number = { type: 'string' }
  const options = { seconds: number, rounds: number }
  const { values, positionals } = parseArgs({ args, options, allowPositionals: true })
  const unknown = positionals.find((name) => !Object.hasOwn(parts, name))
  if (unknown !== undefined) {
    throw new Error(`There is no part "${unknown}"; there are: ${Object.keys(parts).join(', ')}`)
  }
  return {
    names: positionals.length > 0 ? positionals : Object.keys(parts),
    options: { ...positive('seconds', values.seconds), ...positive('rounds', values.rounds) },
  }
}

const run = async () => {
  const { names, options } = readArguments(process.argv.slice(2))
  mkdirSync(results, { recursive: true })
  const begun = performance.now()
  const minutes = () => ((performance.now() - begun) / 60_000).toFixed(1)
  for (const [index, name] of names.entries()) {
    const say = (line) => {
      const where = `${minutes()} min  ${name} (${index + 1} of ${names.length})`
      process.stderr.write(`[${where}] ${line}\n`)
    }
    await runPart(name, options, say)
  }
}

run().catch((error) => {
  process.stderr.write(`${error.message}\n`)
  process.exitCode = 1
})
