/** The test kit at our own servers. */
import { expect, test } from 'vitest'
import { runConformance } from '../src/conformance.js'
import { type OwnServer, openOwn, ownServers } from './conformance-servers.js'
import { createServerV1, serveV1 } from './servers.js'

const failing = async (server: OwnServer): Promise<string[]> => {
  const { url, issuer, close } = await openOwn(server)
  try {
    const report = await runConformance({ url, tokens: issuer, tool: server.tool })
    return report.results.filter(({ status }) => status === 'failed').map(({ id }) => id)
  } finally {
    await close()
  }
}

// At once: most of the time each of them waits for the next look at what was revoked.
test.concurrent.each(ownServers)(
  'a guarded server fails no check: $name',
  async (server) => {
    expect(await failing(server)).toEqual([])
  },
  60_000,
)

test('limits that a server counts elsewhere are not judged, and the report says why', async () => {
  const budget = { clientId: 'docs-server', clientSecret: 'secret-of-the-docs-server' }
  const serve: OwnServer['serve'] = (guard) => serveV1(guard, () => createServerV1(guard))
  const { url, issuer, close } = await openOwn({ name: 'paid', serve, budget })
  try {
    const only = ['limits-exceeded-denial']
    const { results } = await runConformance({ url, tokens: issuer, only })
    expect(results).toMatchObject([
      { status: 'skipped', seen: expect.stringContaining('without its ledger') },
    ])
  } finally {
    await close()
  }
})

test('without joinDuplicateHeaders, Node hides a second header from a fetch handler', async () => {
  const plain = ownServers.filter(({ name }) => name === 'fetch, v2')
  for (const server of plain) {
    expect(await failing({ ...server, joinDuplicateHeaders: false })).toEqual([
      'two-authorization-headers',
    ])
  }
})
