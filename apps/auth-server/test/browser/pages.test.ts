/**
 * Every page as people see it: light and dark, on a phone and on a desk. axe looks for what keeps somebody
 * out. With `BEHALF_SCREENSHOTS=<folder>` the pictures are kept.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import axe from 'axe-core'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { basic, secretOf } from '../harness.js'
import { hasChromium, launchChromium } from './chromium.js'
import { openWorld, startAuthorization, type World } from './world.js'

const alice = { email: 'alice@acme.test', password: 'correct horse battery' }

/** In two organizations, and an application beside the agent. */
const more = {
  users: [{ ...alice, name: 'Alice', tenant_id: 'acme', org_role: 'owner' }],
}

const sizes = { phone: { width: 390, height: 844 }, desk: { width: 1280, height: 800 } }

const folder = process.env.BEHALF_SCREENSHOTS

interface Finding {
  id: string
  impact: string | null | undefined
  nodes: string[]
}

describe.skipIf(!hasChromium)('in Chromium', () => {
  let world: World
  let browser: Browser
  let context: BrowserContext
  let page: Page
  beforeAll(async () => {
    world = await openWorld(more)
    browser = await launchChromium()
    context = await browser.newContext()
    if (folder) mkdirSync(folder, { recursive: true })
  })
  // A page of its own: one that is still on its way somewhere would not go where the next test wants.
  beforeEach(async () => {
    page = await context.newPage()
    page.setDefaultTimeout(15_000)
  })
  afterEach(() => page.close())
  afterAll(async () => {
    await browser?.close()
    await world?.close()
  })

  const findings = async (): Promise<Finding[]> => {
    const { violations } = (await page.evaluate(
      "axe.run({ resultTypes: ['violations'] })",
    )) as axe.AxeResults
    return violations.map(({ id, impact, nodes }) => ({
      id,
      impact,
      nodes: nodes.map(({ html }) => html),
    }))
  }

  const isCutOff = (): Promise<unknown> =>
    page.evaluate('document.documentElement.scrollWidth > document.documentElement.clientWidth')

  const keepPicture = async (name: string): Promise<void> => {
    if (folder) await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true })
  }

  /** The page that is open now, in all four. What axe finds on a phone it would find on a desk. */
  const look = async (name: string): Promise<void> => {
    await page.evaluate(axe.source)
    for (const [size, viewport] of Object.entries(sizes)) {
      await page.setViewportSize(viewport)
      expect([name, size, await isCutOff()]).toEqual([name, size, false])
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme })
        if (size === 'phone')
          expect([name, colorScheme, await findings()]).toEqual([name, colorScheme, []])
        await keepPicture(`${name}-${size}-${colorScheme}`)
      }
    }
  }

  const open = (path: string) => page.goto(`${world.issuer}${path}`)
  const press = (name: string) => page.getByRole('button', { name, exact: true }).click()

  const signIn = async (): Promise<void> => {
    await page.getByLabel('E-mail address').fill(alice.email)
    await page.getByLabel('Password').fill(alice.password)
    await press('Sign in')
  }

  test.each([
    ['sign-in', '/sign-in'],
    ['sign-up', '/sign-up'],
    ['reset-ask', '/reset-password'],
    ['reset', '/reset-password?token=x'],
    ['verify-email', '/verify-email?token=x'],
    ['two-factor', '/two-factor'],
    ['signed-out', '/logout'],
    ['error', '/authorize?client_id=nobody'],
  ])('%s', async (name, path) => {
    await open(path)
    await look(name)
  })

  test('what was wrong, and what comes next', async () => {
    await open('/sign-in')
    await page.getByLabel('E-mail address').fill(alice.email)
    await page.getByLabel('Password').fill('not the password')
    await press('Sign in')
    await page.getByText('is wrong').waitFor()
    await look('sign-in-wrong')
    await open('/reset-password')
    await page.getByLabel('E-mail address').fill(alice.email)
    await press('Send the link')
    await page.getByText('on its way').waitFor()
    await look('reset-sent')
  })

  test('consent for an agent, and what it makes of wrong limits', async () => {
    await page.goto(startAuthorization(world).url)
    await signIn()
    await page.getByText('wants to act for you').first().waitFor()
    await page.getByLabel('It may spend, in USD').fill('2')
    await look('consent-agent')
    await page.getByLabel('It may spend, in USD').fill('two')
    await press('Allow')
    await page.getByText('Write an amount').waitFor()
    await look('consent-agent-wrong')
    await page.getByLabel('It may spend, in USD').fill('2')
    await press('Allow')
    await page.getByText('Back at the assistant').waitFor()
  })

  test('consent for an application', async () => {
    await page.goto(startAuthorization(world, 'website').url)
    await page.getByText('wants to use your account').first().waitFor()
    await look('consent-app')
    await press('Do not allow')
  })

  test('letting a device in', async () => {
    const response = await fetch(`${world.issuer}/device_authorization`, {
      method: 'POST',
      headers: { Authorization: basic('assistant', secretOf('assistant')) },
      body: new URLSearchParams({ scope: 'docs:read', resource: world.resource }),
    })
    const { user_code } = (await response.json()) as { user_code: string }
    await open('/device')
    await look('device')
    await page.getByLabel('Code').fill(user_code)
    await press('Continue')
    await page.getByText('Your device must show').waitFor()
    await look('device-consent')
    await press('Allow')
    await page.getByText('let in').first().waitFor()
    await look('device-done')
  })

  test('what a person can look at when they have signed in', async () => {
    await open('/account')
    await look('account')
    await open('/account/organization')
    await look('organization')
    await open('/account/security')
    await look('security')
    await page.getByRole('textbox', { name: 'Password', exact: true }).fill(alice.password)
    await press('Set up codes')
    await page.getByText('backup codes').waitFor()
    await look('security-codes')
    await open('/logout')
    await look('logout')
  })
})
