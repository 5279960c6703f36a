/** Every page as people see it. */
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, test } from 'vitest'
import { basic, secretOf } from '../harness.js'
import { hasChromium, launchChromium } from './chromium.js'
import { look as lookAt } from './look.js'
import { openWorld, redeemAt, startAuthorization, type World } from './world.js'

const alice = { email: 'alice@acme.test', password: 'correct horse battery' }

const more = {
  users: [{ ...alice, name: 'Alice', tenant_id: 'acme', org_role: 'owner' }],
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

  const look = (name: string): Promise<void> => lookAt(page, name)
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
    const connect = async (): Promise<void> => {
      const { pkce, url } = startAuthorization(world)
      await page.goto(url)
      await redeemAt(world, page.url(), pkce)
    }
    await connect()
    await open('/account')
    await look('account')
    for (let time = 1; time < 6; time += 1) await connect()
    await open('/account')
    await page.getByRole('link', { name: 'Show all that is acting under it' }).click()
    await page.getByText('All that may act for you').waitFor()
    await look('account-consent')
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
