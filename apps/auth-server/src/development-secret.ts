/** A server secret for an embedded database, so that the first start needs no settings. */
import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Kept beside the data that it opens. @returns the secret, and the file when it was made just now */
export const developmentSecret = (databaseUrl: string): { secret: string; madeIn?: string } => {
  const fresh = randomBytes(32).toString('base64url')
  if (databaseUrl === 'memory:') return { secret: fresh }
  const folder = databaseUrl.slice('pglite:'.length)
  const file = join(folder, 'secret')
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  try {
    writeFileSync(file, fresh, { flag: 'wx', mode: 0o600 })
    return { secret: fresh, madeIn: file }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    return { secret: readFileSync(file, 'utf8').trim() }
  }
}
