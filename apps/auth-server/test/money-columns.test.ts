/** Money in the database: whole micro-USD, and nothing that could round. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openTestServer, type TestServer } from './harness.js'

let server: TestServer
beforeAll(async () => {
  server = await openTestServer()
})
afterAll(() => server.close())

test('every amount is a bigint, and no column of any table is a float', async () => {
  const columns = await server.database.read(
    `select table_name, column_name, data_type from information_schema.columns
     where table_schema = 'public'`,
    [],
  )
  const typesOf = (wanted: RegExp) => [
    ...new Set(
      columns
        .filter(({ column_name }) => wanted.test(String(column_name)))
        .map(({ data_type }) => data_type),
    ),
  ]
  const amounts = /^(cap|wanted_cap|file_cap|spent|held|carved|amount|charged|overrun|expired)$/
  expect(typesOf(amounts)).toEqual(['bigint'])
  for (const float of ['real', 'double precision', 'numeric']) {
    expect(typesOf(/./)).not.toContain(float)
  }
})
