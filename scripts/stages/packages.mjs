/** What we would publish: the packed tarball, as publint and "are the types wrong?" see it. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { capture } from '../process.mjs'
import { tool, workspacesWith } from '../workspace.mjs'
import { one, sumOf } from './count.mjs'

const checks = [
  ['publint', (tarball) => ['run', tarball, '--strict']],
  ['attw', (tarball) => [tarball, '--profile', 'esm-only', '--no-definitely-typed']],
]

const packInto = async (folder, path) => {
  const packed = await capture(tool('pnpm'), ['pack', '--pack-destination', folder], { cwd: path })
  const tarball = readdirSync(folder).find((name) => name.endsWith('.tgz'))
  return { ...packed, tarball: tarball && join(folder, tarball) }
}

/** @returns what was wrong, in the words of the tool; empty when nothing was */
const problemsOf = async (folder, path) => {
  const { code, output, tarball } = await packInto(folder, path)
  if (code !== 0 || !tarball) return `pnpm pack\n${output}`
  for (const [name, args] of checks) {
    const result = await capture(tool(name), args(tarball))
    if (result.code !== 0) return `${name}\n${result.output}`
  }
  return ''
}

const checkPackage = async ({ name, path }) => {
  const folder = mkdtempSync(join(tmpdir(), 'behalf-pack-'))
  const problems = await problemsOf(folder, path)
  rmSync(folder, { recursive: true })
  process.stdout.write(`  ${problems ? '✗' : '✓'} ${name}\n${problems}`)
  return one(!problems)
}

export const packages = () =>
  sumOf(
    workspacesWith(['build']).filter(({ room }) => room === 'packages'),
    checkPackage,
  )
