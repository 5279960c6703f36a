/** The test kit at our own servers. */
import { expect, test } from 'vitest'
import { runConformance } from '../src/conformance.js'
import { type OwnServer, openOwn, ownServers } from './conformance-servers.js'

const failing = async (server: OwnServer): Promise<string[]> => {
  const { url, issuer, close } = await openOwn(server)
  try {
    const report = await runConformance({ url, tokens: issuer, tool: server.tool })
    return report.results.filter(({ status }) => status === 'failed').map(({ id }) => id)
  } finally {
    await close()
  }
}

test.each(ownServers)('a guarded server fails no check: $name', async (server) => {
  expect(await failing(server)).toEqual([])
})

test('without joinDuplicateHeaders, Node hides a second header from a fetch handler', async () => {
  const plain = ownServers.filter(({ name }) => name === 'fetch, v2')
  for (const server of plain) {
    expect(await failing({ ...server, joinDuplicateHeaders: false })).toEqual([
      'two-authorization-headers',
    ])
  }
})
