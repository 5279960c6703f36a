/** Format and lint. A warning is an error: nobody reads warnings twice. */
import { runInTerminal } from '../process.mjs'
import { tool } from '../workspace.mjs'
import { one } from './count.mjs'

export const lint = async () => {
  const code = await runInTerminal(tool('biome'), ['check', '--error-on-warnings', '.'])
  return one(code === 0)
}
