/** What the helpers of the SDKs leave to do. The table of docs/mcp-conformance.md is made of this. */
import { expect, test } from 'vitest'
import { formatReport, runConformance } from '../src/conformance.js'
import { type Care, openStock } from './conformance-stock.js'

const tool = { name: 'publish', scope: 'docs:write' }

test.each([['v1','usual'],['v1','careful'],['v2','usual'],['v2','careful']] as const)('%s %s', async (generation, care: Care) => {
  const { url, issuer, close } = await openStock(generation, care)
  try {
    const report = await runConformance({ url, tokens: issuer, tool, revocationSeconds: 2 })
    console.log(generation, care)
    console.log(formatReport(report).split('\n').filter((l) => !/^ *Fix|^    http|^✓/.test(l)).join('\n'))
  } finally {
    await close()
  }
}, 60_000)
