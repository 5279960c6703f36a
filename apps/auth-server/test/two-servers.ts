/** Two servers on one database: each with connections of its own, where the database has any. */
import { createClock, createDatabase, openTestDatabase, openTestServer } from './harness.js'

export const openTwoServers = async (config?: object) => {
  const clock = createClock()
  const created = await createDatabase()
  const database = await openTestDatabase(created.url)
  // PGlite is one process's alone, so there the two share it.
  const other = created.url === 'memory:' ? database : await openTestDatabase(created.url)
  const one = await openTestServer({ clock, database, ...(config && { config }) })
  const two = await openTestServer({ clock, database: other, ...(config && { config }) })
  return {
    one,
    two,
    clock,
    close: async (): Promise<void> => {
      await one.close()
      if (other !== database) await two.close()
      await created.drop()
    },
  }
}

export type TwoServers = Awaited<ReturnType<typeof openTwoServers>>
