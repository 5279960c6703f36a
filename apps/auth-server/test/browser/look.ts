/**
 * A page as people see it: light and dark, on a phone and on a desk. axe looks for what keeps somebody out.
 * With `BEHALF_SCREENSHOTS=<folder>` the pictures are kept.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import axe from 'axe-core'
import type { Page } from 'playwright-core'
import { expect } from 'vitest'

const sizes = { phone: { width: 390, height: 844 }, desk: { width: 1280, height: 800 } }

const folder = process.env.BEHALF_SCREENSHOTS
if (folder) mkdirSync(folder, { recursive: true })

interface Finding {
  id: string
  impact: string | null | undefined
  nodes: string[]
}

const findings = async (page: Page): Promise<Finding[]> => {
  const { violations } = (await page.evaluate(
    "axe.run({ resultTypes: ['violations'] })",
  )) as axe.AxeResults
  return violations.map(({ id, impact, nodes }) => ({
    id,
    impact,
    nodes: nodes.map(({ html }) => html),
  }))
}

const isCutOff = (page: Page): Promise<unknown> =>
  page.evaluate('document.documentElement.scrollWidth > document.documentElement.clientWidth')

const keepPicture = async (page: Page, name: string): Promise<void> => {
  if (folder) await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true })
}

/** The page that is open now, in all four. What axe finds on a phone it would find on a desk. */
export const look = async (page: Page, name: string): Promise<void> => {
  await page.evaluate(axe.source)
  for (const [size, viewport] of Object.entries(sizes)) {
    await page.setViewportSize(viewport)
    expect([name, size, await isCutOff(page)]).toEqual([name, size, false])
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme })
      if (size === 'phone')
        expect([name, colorScheme, await findings(page)]).toEqual([name, colorScheme, []])
      await keepPicture(page, `${name}-${size}-${colorScheme}`)
    }
  }
}
