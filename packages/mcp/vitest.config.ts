import { configDefaults, defineConfig } from 'vitest/config'

// Programs of others that judge what this does. CI repeats the tests on more than one Node, and these
// on the first alone.
const judges = process.env.BEHALF_TEST_JUDGES === 'off' ? ['test/judges/**'] : []

export default defineConfig({
  test: { include: ['test/**/*.test.ts'], exclude: [...configDefaults.exclude, ...judges] },
})
