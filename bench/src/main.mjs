/** `npm run bench -- [token|budget]`: our server beside a floor, in one run, as ratios. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { measureBudget } from './budget.mjs'
import { measureToken } from './token.mjs'
import { measureVerify } from './verify.mjs'

const parts = { token: measureToken, budget: measureBudget, verify: measureVerify }

const row = (cells) => `| ${cells.join(' | ')} |`

const tableOf = ({ title, columns, rows, notes = [] }) => {
  const table = [row(columns), row(columns.map(() => '---')), ...rows.map(row)]
  return [`### ${title}`, '', ...table, ...notes.flatMap((note) => ['', note])].join('\n')
}

const toMarkdown = (report) => [report].flat().map(tableOf).join('\n\n')

const results = fileURLToPath(new URL('../results/', import.meta.url))

const run = async (names) => {
  const unknown = names.find((name) => !parts[name])
  if (unknown)
    throw new Error(`There is no part "${unknown}"; there are: ${Object.keys(parts).join(', ')}`)
  mkdirSync(results, { recursive: true })
  for (const name of names.length > 0 ? names : Object.keys(parts)) {
    const report = await parts[name]((line) => process.stderr.write(`${line}\n`))
    writeFileSync(`${results}${name}.json`, `${JSON.stringify(report, undefined, 2)}\n`)
    writeFileSync(`${results}${name}.md`, `${toMarkdown(report)}\n`)
    process.stdout.write(`\n${toMarkdown(report)}\n`)
  }
}

run(process.argv.slice(2)).catch((error) => {
  process.stderr.write(`${error.message}\n`)
  process.exitCode = 1
})
