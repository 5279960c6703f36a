/** Which tests there are: the architecture, the packages, and the server on either database. */
import { listWorkspaces } from '../workspace.mjs'
import { sumOf } from './count.mjs'
import { runVitest } from './vitest.mjs'

const withTests = (room) =>
  listWorkspaces().filter((workspace) => workspace.room === room && workspace.hasTests)

export const architecture = () => runVitest('.', { args: ['--dir', 'test'] })

export const unit = () => sumOf(withTests('packages'), ({ folder }) => runVitest(folder))

/** Files that meet the server and the packages as they were built, or as strangers meet them. */
const outside = [
  'test/sdk.test.ts',
  'test/interop.test.ts',
  'test/process.test.ts',
  'test/strangers/',
]

/** A part of the flow tests, for a Node on which the whole has no reason to differ. */
export const built = () =>
  sumOf(withTests('apps'), ({ folder }) =>
    runVitest(folder, { args: outside, env: { BEHALF_TEST_DATABASE: 'pglite' } }),
  )

/** The server's flow tests. Its own vitest configuration reads which database they run on. */
export const flow = (database) =>
  sumOf(withTests('apps'), ({ folder }) =>
    runVitest(folder, { env: { BEHALF_TEST_DATABASE: database } }),
  )
