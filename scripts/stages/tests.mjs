/** Which tests there are: the architecture, the packages, and the server on either database. */
import { listWorkspaces } from '../workspace.mjs'
import { sumOf } from './count.mjs'
import { runVitest } from './vitest.mjs'

const withTests = (room) =>
  listWorkspaces().filter((workspace) => workspace.room === room && workspace.hasTests)

export const architecture = () => runVitest('.', { args: ['--dir', 'test'] })

export const unit = () => sumOf(withTests('packages'), ({ folder }) => runVitest(folder))

/** The server's flow tests. Its own vitest configuration reads which database they run on. */
export const flow = (database) =>
  sumOf(withTests('apps'), ({ folder }) =>
    runVitest(folder, { env: { BEHALF_TEST_DATABASE: database } }),
  )
