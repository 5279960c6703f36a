import { defineConfig } from 'tsup'

export default defineConfig({
  entry: ['src/main.ts'],
  format: 'esm',
  target: 'node20',
  platform: 'node',
  sourcemap: true,
  clean: true,
  // Node reads the 180 kB of its package.json again for each of its hundreds of files: from Node 24 on that takes
  // half a second and 200 MB.
  noExternal: [/^drizzle-orm/],
})
