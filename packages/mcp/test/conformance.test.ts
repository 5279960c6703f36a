/** The test kit at our own servers. */
import { expect, test } from 'vitest'
import { formatReport, runConformance } from '../src/conformance.js'
import { type OwnServer, openOwn, ownServers } from './conformance-servers.js'

const failing = async (server: OwnServer): Promise<string[]> => {
  const { url, issuer, close } = await openOwn(server)
  try {
    const report = await runConformance({ url, tokens: issuer, tool: server.tool })
    console.log(
      formatReport(report)
        .split('\n')
        .filter((l) => !/^ *Fix|^ {4}http|^✓/.test(l))
        .join('\n'),
    )
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
