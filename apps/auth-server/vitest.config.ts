import { configDefaults, defineConfig } from 'vitest/config'

// What a browser shows, and what the tools of an MCP server answer, does not depend on the database:
// once is enough.
const ofNoDatabase = ['test/browser/**', 'test/strangers/tools.test.ts']
const once = process.env.BEHALF_TEST_DATABASE === 'postgres' ? ofNoDatabase : []
// Load, and how long it takes: for a machine that does nothing else meanwhile.
const atNight = process.env.BEHALF_NIGHTLY === '1' ? [] : ['test/nightly/**']

// Programs of others that judge what this does. CI repeats what meets the server from outside on more
// than one Node, and these on the first alone.
const ofOthers = ['conformance', 'inspector', 'tools'].map(
  (name) => `test/strangers/${name}.test.ts`,
)
const judges = process.env.BEHALF_TEST_JUDGES === 'off' ? ofOthers : []

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts', 'src/**/*.test.{ts,tsx}'],
    exclude: [...configDefaults.exclude, ...once, ...atNight, ...judges],
    globalSetup: ['test/database.setup.ts'],
    // Every file opens a database of its own; PGlite takes seconds to start on a busy machine.
    hookTimeout: 120_000,
    testTimeout: 90_000,
    maxWorkers: 2,
  },
})
