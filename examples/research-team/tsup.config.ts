import { defineConfig } from 'tsup'

export default defineConfig({
  // The story, and the programs that it starts.
  entry: {
    main: 'src/main.ts',
    'docs-server': 'src/docs-server.ts',
    researcher: 'src/agents/researcher.ts',
    scraper: 'src/agents/scraper.ts',
  },
  format: 'esm',
  target: 'node20',
  platform: 'node',
  sourcemap: true,
  clean: true,
})
