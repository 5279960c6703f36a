/** The test kit at our own servers. */
import { expect, test } from 'vitest'
import { formatReport, runConformance } from '../src/conformance.js'
import { openOwn } from './conformance-servers.js'
import { generations } from './world.js'

const tool = { name: 'publish', scope: 'docs:write' }

test.each(generations)(
  'a guarded %s server passes',
  async (generation) => {
    const { url, issuer, close } = await openOwn(generation)
    try {
      const report = await runConformance({ url, tokens: issuer, tool })
      console.log(formatReport(report))
      expect(report.failed).toBe(0)
    } finally {
      await close()
    }
  },
  60_000,
)
