import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts', 'src/**/*.test.{ts,tsx}'],
    globalSetup: ['test/database.setup.ts'],
    // Every file opens a database of its own; PGlite takes seconds to start on a busy machine.
    hookTimeout: 120_000,
    testTimeout: 90_000,
    maxWorkers: 2,
  },
})
