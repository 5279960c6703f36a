/** The configuration and every changeset can be read, and name packages that exist. */
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { root } from '../workspace.mjs'
import { one } from './count.mjs'

// `changeset status` compares with a branch that a fresh clone need not have; the part of it that
// reads and plans does not.
const loadPlanner = () => {
  const cli = createRequire(join(root, 'package.json')).resolve('@changesets/cli/package.json')
  return createRequire(cli)('@changesets/get-release-plan').default
}

export const changesets = async () => {
  try {
    const { releases } = await loadPlanner()(root)
    const released = releases.filter(({ oldVersion, newVersion }) => oldVersion !== newVersion)
    for (const { name, oldVersion, newVersion } of released) {
      process.stdout.write(`  ${name} ${oldVersion} → ${newVersion}\n`)
    }
    return one(true)
  } catch (error) {
    process.stdout.write(`${error.message}\n`)
    return one(false)
  }
}
