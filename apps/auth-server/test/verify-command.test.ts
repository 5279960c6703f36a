/** `ledger:verify`, as an operator runs it. */
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { openDatabase } from '../src/store/database.js'
import { createDatabase, openTestServer } from './harness.js'
import { lend, reserve, settle } from './ledger-fixtures.js'

const main = fileURLToPath(new URL('../dist/main.js', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'behalf-verify-'))

let url: string
let drop: () => Promise<void>
beforeAll(async () => {
  const created = await createDatabase()
  drop = created.drop
  url = inject('postgresUrl') ? created.url : `pglite:${join(folder, 'books')}`
})
afterAll(async () => {
  await drop()
  rmSync(folder, { recursive: true, force: true })
})

const verify = (databaseUrl = url) =>
  new Promise<{ code: number; output: string }>((resolve) => {
    const env = { PATH: process.env.PATH, DATABASE_URL: databaseUrl }
    execFile(
      process.execPath,
      [main, 'ledger:verify'],
      { cwd: folder, env },
      (error, out, errors) => {
        resolve({ code: Number(error?.code ?? 0), output: `${out}${errors}` })
      },
    )
  })

test('it says that the books are right, and which balance is not', async () => {
  const database = await openDatabase(url)
  const server = await openTestServer({ database })
  const { token, delegation_id } = await lend(server, '2')
  const { body } = await reserve(server, { token, amount_usd: '0.4' })
  await settle(server, body.id, '0.3')
  await database.close()
  expect(await verify()).toMatchObject({
    code: 0,
    output: expect.stringMatching(/^\d+ budgets, each the sum of its entries\.\n$/),
  })

  const again = await openDatabase(url)
  await again.write('update budgets set spent = spent + 1 where id = $1', [delegation_id])
  await again.close()
  const { code, output } = await verify()
  expect(code).toBe(1)
  expect(output).toContain(`${delegation_id}\n  spent 0.300001, by its entries 0.3\n`)
  expect(output).toMatch(/1 not the sum of their entries\.\n$/)
}, 60_000)

test('it makes no database where there is none, and knows its commands', async () => {
  const { code, output } = await verify(`pglite:${join(folder, 'nothing')}`)
  expect([code, output]).toEqual([1, expect.stringContaining('there is no database in')])
  const memory = await verify('memory:')
  expect([memory.code, memory.output]).toEqual([1, expect.stringContaining('in memory ends with')])
  const unknown = await new Promise<string>((resolve) => {
    execFile(process.execPath, [main, 'verify'], { cwd: folder }, (_, __, errors) => {
      resolve(errors)
    })
  })
  expect(unknown).toContain('there is no command "verify": serve, ledger:verify')
}, 60_000)
