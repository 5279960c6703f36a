/** The statements of docs/scaling.md that partition the record of tokens, run as they stand there. */
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openTestServer, type TestServer } from './harness.js'
import { failures } from './lease-fixtures.js'
import { delegationOf, lend } from './ledger-fixtures.js'
import { countOf, day, isActive, retentionConfig, tokenOf } from './retention-fixtures.js'

let server: TestServer
beforeAll(async () => {
  server = await openTestServer({ config: retentionConfig })
})
afterAll(async () => {
  expect(failures(server)).toEqual([])
  await server.close()
})

const partition = async () => {
  const page = readFileSync(new URL('../../../docs/scaling.md', import.meta.url), 'utf8')
  const [, text = ''] = /```sql\n([\s\S]*?)```/.exec(page) ?? []
  // A transaction over several connections is none: here each statement is its own.
  const statements = text.split(';').filter((one) => !/^\s*(begin|commit)?\s*$/.test(one))
  expect(statements).toHaveLength(9)
  for (const statement of statements) await server.database.write(statement, [])
}

test('the server works with partitions as with its own table', async () => {
  const token = await tokenOf(server, 'orchestrator')
  const before = await countOf(server, 'issuances')
  await partition()
  expect(await countOf(server, 'issuances')).toBe(before)
  expect(await isActive(server, token)).toBe(true)
  // Into the old table, and into two months that follow.
  for (const days of [1, 45, 30]) {
    server.clock.advance(days * day)
    await lend(server, '1')
  }
  for (const month of ['2027_01', '2027_02']) {
    expect(await countOf(server, `issuances_${month}`)).toBeGreaterThan(0)
  }
  const newest = await countOf(server, 'issuances_2027_02')
  await server.forgetHistory()
  expect(await countOf(server, 'issuances')).toBe(newest)
  server.clock.advance(11 * day)
  await server.database.write('alter table issuances detach partition issuances_2027_01', [])
  await server.database.write('drop table issuances_2027_01', [])
  const late = await tokenOf(server, 'orchestrator')
  expect(await isActive(server, late)).toBe(true)
  expect(delegationOf(late)).toBe(delegationOf(token))
  await server.forgetHistory()
  expect(await countOf(server, 'issuances')).toBe(1)
})
