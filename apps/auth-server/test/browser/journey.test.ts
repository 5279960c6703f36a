/**
 * A person in a real browser, with JavaScript switched off: an account, a yes with a limit, money that
 * runs out, and taking it back.
 */
import { budgetKey, denialKey } from '@behalf/mcp/server'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { hasChromium, launchChromium } from './chromium.js'
import { connectTools, openWorld, redeemAt, startAuthorization, type World } from './world.js'

const alice = { name: 'Alice', email: 'alice@acme.test', password: 'correct horse battery' }

describe.skipIf(!hasChromium)('in Chromium without JavaScript', () => {
  let world: World
  let browser: Browser
  let context: BrowserContext
  let page: Page
  let token: string
  beforeAll(async () => {
    world = await openWorld()
    browser = await launchChromium()
    context = await browser.newContext({ javaScriptEnabled: false })
    page = await context.newPage()
    page.setDefaultTimeout(15_000)
  })
  afterAll(async () => {
    await browser?.close()
    await world?.close()
  })

  const press = (name: string, where = page) =>
    where.getByRole('button', { name, exact: true }).click()
  const heading = (where = page) => where.getByRole('heading', { level: 1 }).textContent()

  const signIn = async (where: Page): Promise<void> => {
    await where.getByLabel('E-mail address').fill(alice.email)
    await where.getByLabel('Password').fill(alice.password)
    await press('Sign in', where)
  }

  test('a person makes an account on the way, and confirms the address', async () => {
    await page.goto(startAuthorization(world).url)
    await page.getByRole('link', { name: 'I have no account yet' }).click()
    await page.getByLabel('Your name').fill(alice.name)
    await page.getByLabel('E-mail address').fill(alice.email)
    await page.getByLabel('Password').fill(alice.password)
    await press('Create an account')
    expect(await heading()).toBe('Look into your mail')
    const { to, link } = await vi.waitUntil(() => world.letters[0])
    expect(to).toBe(alice.email)
    await page.goto(link)
    await press('Yes, confirm')
    await page.getByText('Your address is confirmed').waitFor()
  })

  test('signs in, and lets the agent spend 2 USD', async () => {
    const { pkce, url } = startAuthorization(world)
    await page.goto(url)
    await signIn(page)
    expect(await heading()).toBe('Assistant wants to act for you')
    await page.getByText('Search and read your documents').waitFor()
    await page.getByLabel('It may spend, in USD').fill('2')
    await page.getByLabel('one day').check()
    await press('Allow')
    await page.getByText('Back at the assistant').waitFor()
    expect(page.url()).toContain(`${world.redirectUri}?code=ac_`)
    token = await redeemAt(world, page.url(), pkce)
  })

  test('who has agreed, and signs in elsewhere, is back at the agent at once', async () => {
    const other = await browser.newContext({ javaScriptEnabled: false })
    const tab = await other.newPage()
    const { pkce, url } = startAuthorization(world)
    await tab.goto(url)
    await signIn(tab)
    await tab.getByText('Back at the assistant').waitFor()
    expect(await redeemAt(world, tab.url(), pkce)).not.toBe(token)
    await other.close()
  })

  test('the agent spends until there is too little left', async () => {
    const tools = await connectTools(world, token)
    for (const left of ['1.2', '0.4']) {
      const answer = await tools.search('the plan')
      expect(answer.isError).toBeFalsy()
      expect(answer._meta?.[budgetKey]).toMatchObject({ cost_usd: '0.8', remaining_usd: left })
    }
    const refused = await tools.search('the plan')
    expect(refused.isError).toBe(true)
    expect(refused._meta?.[denialKey]).toMatchObject({ error: 'insufficient_budget' })
    await tools.close()
  })

  test('the person sees what was spent, takes it back, and the agent is refused', async () => {
    await page.goto(`${world.issuer}/account`)
    await page.getByText('1.6 of 2 USD').waitFor()
    const tools = await connectTools(world, token)
    await press('Take back everything from Assistant')
    await page.getByText('Taken back. It ends everywhere within seconds.').waitFor()
    await page.getByText('Nothing may act for you at the moment.').waitFor()
    const search = () =>
      tools.search('the plan').then(
        () => 'answered',
        (error: unknown) => String(error),
      )
    await vi.waitUntil(async () => /401|invalid_token|Unauthorized/i.test(await search()), {
      timeout: 15_000,
      interval: 250,
    })
    await tools.close().catch(() => {})
  })
})
