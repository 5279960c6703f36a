import { defineConfig } from 'tsup'

export default defineConfig({
  entry: ['src/index.ts', 'src/hono.ts', 'src/express.ts'],
  format: 'esm',
  target: 'es2022',
  platform: 'neutral',
  dts: true,
  sourcemap: true,
  clean: true,
})
