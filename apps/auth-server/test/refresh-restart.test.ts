/** What a server has taken back stays so, whatever becomes of the process that did it. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, inject, test, vi } from 'vitest'
import { createMachine, type ServerProcess } from './crash/server-process.js'
import { createDatabase } from './harness.js'
import { issuer, openVisitor, refreshAt, visitorConfig } from './visitor.js'

// A process takes its seconds to start, and more on a busy machine.
vi.setConfig({ testTimeout: 120_000 })

const hasPostgres = inject('postgresUrl') !== undefined

const folder = mkdtempSync(join(tmpdir(), 'behalf-restart-'))
let database: Awaited<ReturnType<typeof createDatabase>>
let machine: ReturnType<typeof createMachine>
let server: ServerProcess
beforeAll(async () => {
  database = await createDatabase()
  const databaseUrl = hasPostgres ? database.url : `pglite:${folder}`
  machine = createMachine({ databaseUrl, issuer, config: visitorConfig })
  server = machine.createServer()
  await server.start()
})
afterAll(async () => {
  await machine.close()
  await database.drop()
  rmSync(folder, { recursive: true, force: true })
})

/** @param happens between the use of a token and its second use @returns where that is tried */
const useTwice = async (happens: () => Promise<ServerProcess>): Promise<void> => {
  const visitor = openVisitor(server)
  await visitor.signIn()
  const first = await visitor.getTokens()
  const used = await refreshAt(server, first.refresh_token)
  expect(used.status).toBe(200)
  const next = await happens()
  const again = await refreshAt(next, first.refresh_token)
  expect([again.status, again.body.error]).toEqual([400, 'invalid_grant'])
  expect(again.body).not.toHaveProperty('access_token')
  // And with it whatever came of the first use.
  const successor = await refreshAt(next, used.body.refresh_token ?? '')
  expect([successor.status, successor.body.error]).toEqual([400, 'invalid_grant'])
}

describe('a refresh token that was used is refused', () => {
  test.runIf(hasPostgres)('after the server has ended and was started again', () =>
    useTwice(async () => {
      await server.stop()
      await server.start()
      return server
    }),
  )

  test('after the server was killed and started again', () =>
    useTwice(async () => {
      await server.kill()
      await server.start()
      return server
    }))

  test.runIf(hasPostgres)('by another server on the same database, once the first is gone', () => {
    const other = machine.createServer()
    return useTwice(async () => {
      await other.start()
      await server.kill()
      return other
    })
  })
})
