/** Each button of the sign-in page leads to the site that it names, with all that the site has to know. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { socialProviders } from '../src/people/people-config.js'
import { baseConfig, createBrowser, issuer, openTestServer, type TestServer } from './harness.js'

type Site = (typeof socialProviders)[number]

interface Expected {
  at: string
  /** Whether the site is sent a PKCE challenge. RFC 7636 §4.3 */
  pkce: boolean
}

/** Written down here a second time, so that an address that the library changes is seen. */
const sites: Record<Site, Expected> = {
  apple: { at: 'https://appleid.apple.com/auth/authorize', pkce: true },
  discord: { at: 'https://discord.com/api/oauth2/authorize', pkce: false },
  facebook: { at: 'https://www.facebook.com/v24.0/dialog/oauth', pkce: false },
  github: { at: 'https://github.com/login/oauth/authorize', pkce: true },
  gitlab: { at: 'https://gitlab.com/oauth/authorize', pkce: true },
  google: { at: 'https://accounts.google.com/o/oauth2/v2/auth', pkce: true },
  linkedin: {
    at: 'https://www.linkedin.com/oauth/v2/authorization',
    pkce: false,
  },
  microsoft: {
    at: 'https://login.microsoftonline.com/common/oauth2/v2.0/authorize',
    pkce: true,
  },
  slack: { at: 'https://slack.com/openid/connect/authorize', pkce: false },
  twitter: { at: 'https://x.com/i/oauth2/authorize', pkce: true },
}

const clientAt = (site: Site) => ({
  client_id: `behalf-at-${site}`,
  client_secret: `secret-of-${site}`,
})
const social = Object.fromEntries(socialProviders.map((site) => [site, clientAt(site)]))

let server: TestServer
beforeAll(async () => {
  const people = { sign_up: 'open', breached_passwords: { enabled: false }, social }
  server = await openTestServer({ config: { ...baseConfig, people } })
})
afterAll(() => server.close())

/** The link on the page of sign-in that has this text. */
const hrefOf = (html: string, site: Site): { href: string; text: string } => {
  const pattern = new RegExp(`<a[^>]*href="(/sign-in/with/${site}\\?[^"]*)"[^>]*>(.*?)</a>`, 's')
  const [, href = '', text = ''] = pattern.exec(html) ?? []
  return { href: href.replaceAll('&amp;', '&'), text }
}

const press = async (site: Site) => {
  const browser = createBrowser(server)
  const page = await (await browser.get('/sign-in?return_to=/device')).text()
  const { href, text } = hrefOf(page, site)
  const away = await browser.get(href)
  const target = new URL(away.headers.get('location') ?? 'http://nowhere')
  return { status: away.status, text, target, query: Object.fromEntries(target.searchParams) }
}

test('every site that can be configured is in the table', () => {
  expect(Object.keys(sites).toSorted()).toEqual([...socialProviders].toSorted())
})

test.each(socialProviders)('the button of %s leads there, and back to here', async (site) => {
  const { at } = sites[site]
  const { status, text, target, query } = await press(site)
  expect(status).toBe(303)
  expect(text.toLowerCase()).toContain(site)
  expect(target.origin + target.pathname).toBe(at)
  expect(query).toMatchObject({
    response_type: expect.stringMatching(/^code\b/),
    client_id: `behalf-at-${site}`,
    redirect_uri: `${issuer}/auth/callback/${site}`,
    state: expect.stringMatching(/^[\w-]{22,}$/),
  })
  expect(target.href).not.toContain(`secret-of-${site}`)
})

test.each(socialProviders)('each press for %s has a state of its own', async (site) => {
  const [one, other] = [await press(site), await press(site)]
  expect(one.query.state).not.toBe(other.query.state)
})

const withPkce = socialProviders.filter((site) => sites[site].pkce)
const withoutPkce = socialProviders.filter((site) => !sites[site].pkce)

test.each(withPkce)('%s gets a fresh PKCE challenge', async (site) => {
  const [one, other] = [await press(site), await press(site)]
  expect(one.query).toMatchObject({
    code_challenge: expect.stringMatching(/^[\w-]{43}$/),
    code_challenge_method: 'S256',
  })
  expect(one.query.code_challenge).not.toBe(other.query.code_challenge)
})

test.each(withoutPkce)(
  '%s is asked without PKCE, so the state alone ties the answer',
  async (site) => {
    expect((await press(site)).query).not.toHaveProperty('code_challenge')
  },
)
