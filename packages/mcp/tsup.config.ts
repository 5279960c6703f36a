import { defineConfig } from 'tsup'

export default defineConfig({
  entry: ['src/server.ts', 'src/client.ts', 'src/stdio.ts'],
  format: 'esm',
  target: 'es2022',
  platform: 'neutral',
  dts: true,
  sourcemap: true,
  clean: true,
})
