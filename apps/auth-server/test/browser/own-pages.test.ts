/** What people set up for themselves, in a browser: passkeys, and the organization that they act in. */
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { hasChromium, launchChromium } from './chromium.js'
import { look } from './look.js'
import { openWorld, type World } from './world.js'

const password = 'correct horse battery'
const of = (name: string, tenant_id: string) => ({
  email: `${name.toLowerCase()}@acme.test`,
  name,
  password,
  tenant_id,
  org_role: 'owner',
})
const limits = { cost_budget_usd: 100 }

/** Sign-up is not open: whoever has no account needs an invitation. */
const config = {
  tenants: [
    { tenant_id: 'acme', name: 'Acme', limits },
    { tenant_id: 'globex', name: 'Globex', limits },
  ],
  users: [of('Alice', 'acme'), of('Gina', 'globex')],
  people: { breached_passwords: { enabled: false } },
}

describe.skipIf(!hasChromium)('in Chromium', () => {
  let world: World
  let browser: Browser
  let context: BrowserContext
  let page: Page
  beforeAll(async () => {
    world = await openWorld(config, 'localhost')
    browser = await launchChromium()
  })
  // A person of their own, with nobody signed in.
  beforeEach(async () => {
    context = await browser.newContext()
    page = await context.newPage()
    page.setDefaultTimeout(15_000)
  })
  afterEach(() => context.close())
  afterAll(async () => {
    await browser?.close()
    await world?.close()
  })

  const open = (path: string) => page.goto(`${world.issuer}${path}`)
  const press = (name: string) => page.getByRole('button', { name, exact: true }).click()
  const signIn = async (name: string): Promise<void> => {
    await page.getByLabel('E-mail address').fill(`${name}@acme.test`)
    await page.getByLabel('Password').fill(password)
    await press('Sign in')
  }

  /** The lock of a device, which lets its owner in without a question. */
  const addAuthenticator = async (): Promise<void> => {
    const session = await context.newCDPSession(page)
    await session.send('WebAuthn.enable')
    await session.send('WebAuthn.addVirtualAuthenticator', {
      options: {
        protocol: 'ctap2',
        transport: 'internal',
        hasResidentKey: true,
        hasUserVerification: true,
        isUserVerified: true,
        automaticPresenceSimulation: true,
      },
    })
  }

  test('a passkey is added, signs its owner in, and is taken away', async () => {
    await addAuthenticator()
    await open('/account/security')
    await signIn('alice')
    const add = page.getByRole('button', { name: 'Add a passkey' })
    await add.waitFor()
    await look(page, 'security-no-passkey')
    await add.click()
    const remove = page.getByRole('button', { name: /^Remove Passkey of/ })
    await remove.waitFor()
    await look(page, 'security-passkey')
    await context.clearCookies()
    await open('/sign-in?return_to=/account/security')
    const enter = page.getByRole('button', { name: 'Sign in with a passkey' })
    await enter.waitFor()
    await look(page, 'sign-in-passkey')
    await enter.click()
    await remove.click()
    await page.getByText('You have none yet.').waitFor()
    await context.clearCookies()
    await open('/sign-in')
    await enter.click()
    await page.getByRole('alert').filter({ hasText: 'was not accepted' }).waitFor()
    await look(page, 'sign-in-passkey-refused')
  })

  const invite = async (email: string): Promise<string> => {
    await open('/account/organization')
    await signIn('gina')
    await page.getByLabel('E-mail address').fill(email)
    await press('Send the invitation')
    await page.getByText('The invitation is on its way.').waitFor()
    await look(page, `invited-${email.split('@')[0]}`)
    await context.clearCookies()
    return world.letters.at(-1)?.link ?? ''
  }

  test('somebody in two organizations chooses the one that they act in', async () => {
    await page.goto(await invite('alice@acme.test'))
    await signIn('alice')
    await page.getByText('You are invited to Globex').waitFor()
    await look(page, 'invitation')
    await press('Join')
    await page.getByText('You are a member now.').waitFor()
    const globex = page.getByRole('radio', { name: 'Globex' })
    const acme = page.getByRole('radio', { name: 'Acme' })
    expect([await globex.isChecked(), await acme.isChecked()]).toEqual([true, false])
    await look(page, 'organization-two')
    // With the keyboard alone.
    await globex.focus()
    await page.keyboard.press('ArrowUp')
    expect(await acme.isChecked()).toBe(true)
    await page.keyboard.press('Tab')
    await page.keyboard.press('Enter')
    await page.getByText('What may act for you').first().waitFor()
    await page.getByRole('link', { name: 'Choose another organization' }).click()
    expect(await acme.isChecked()).toBe(true)
    await page.getByText('Members of Acme').waitFor()
    await look(page, 'organization-chosen')
  })

  test('somebody who is invited and has no account makes one on the way', async () => {
    await page.goto(await invite('nora@elsewhere.test'))
    await page.getByText('You are invited.').waitFor()
    const address = page.getByLabel('E-mail address')
    expect(await address.inputValue()).toBe('nora@elsewhere.test')
    expect(await address.isEditable()).toBe(false)
    await look(page, 'sign-up-invited')
    await page.getByLabel('Name').fill('Nora')
    await page.getByLabel('Password').fill(password)
    await press('Create an account')
    await page.getByText('You are signed in as nora@elsewhere.test').waitFor()
    await press('Join')
    await page.getByText('You are a member now.').waitFor()
  })
})
