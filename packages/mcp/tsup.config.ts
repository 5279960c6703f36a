import { defineConfig } from 'tsup'

export default defineConfig({
  // conformance and main, its command, are for Node: they open sockets and listen.
  entry: ['src/server.ts', 'src/client.ts', 'src/stdio.ts', 'src/conformance.ts', 'src/main.ts'],
  format: 'esm',
  target: 'es2022',
  platform: 'neutral',
  external: [/^node:/],
  dts: true,
  sourcemap: true,
  clean: true,
})
