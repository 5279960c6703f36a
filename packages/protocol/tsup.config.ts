import { defineConfig } from 'tsup'

export default defineConfig({
  entry: ['src/*.ts'],
  format: 'esm',
  // File by file, so that a bundler leaves out what is not used, and with it zod.
  bundle: false,
  target: 'es2022',
  platform: 'neutral',
  dts: { entry: 'src/index.ts' },
  sourcemap: true,
  clean: true,
})
