/** A PGlite folder belongs to one process at a time: two would destroy each other's pages. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

const readPid = (file: string): number => {
  try {
    return Number(readFileSync(file, 'utf8'))
  } catch {
    return 0
  }
}

/**
 * Takes the folder for this process, also from one that died without giving it back.
 *
 * @returns gives the folder back
 * @throws Error when a living process holds it
 */
export const holdDataFolder = (path: string): (() => void) => {
  const file = join(path, 'server.pid')
  const hold = () => writeFileSync(file, String(process.pid), { flag: 'wx', mode: 0o600 })
  try {
    hold()
  } catch {
    const holder = readPid(file)
    if (holder !== process.pid && holder > 0 && isAlive(holder)) {
      throw new Error(
        `The data folder ${path} is in use by process ${holder}. Stop that one, or set DATABASE_URL to another folder or to a PostgreSQL server.`,
      )
    }
    rmSync(file, { force: true })
    hold()
  }
  return () => rmSync(file, { force: true })
}
