/** Where the statements lie that make the tables. */
import { fileURLToPath } from 'node:url'

// Two levels up, both from src/store and, bundled, from dist: see the test that starts dist.
export const migrationsFolder = fileURLToPath(
  new URL(import.meta.url.includes('/dist/') ? '../drizzle' : '../../drizzle', import.meta.url),
)
