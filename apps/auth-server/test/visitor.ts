/** A person and the application in their browser, at servers that are processes of their own. */
import {
  authorizeQuery,
  createPKCE,
  fieldsOf,
  type GetCodeOptions,
  type PersonTokens,
  peopleConfig,
} from './browser.js'
import { createBrowser } from './harness.js'

export const issuer = 'https://auth.example'

const alice = {
  email: 'alice@acme.test',
  password: 'seven quiet rivers',
  name: 'Alice',
  tenant_id: 'acme',
}

export const visitorConfig = { ...peopleConfig, users: [alice] }

/** The server that they are sent to, which may be another one each time. */
type Place = { readonly url: string }

/** `POST /token` as the application, which has no secret. */
export const tokenAt = async ({ url }: Place, fields: Record<string, string>) => {
  const response = await fetch(`${url}/token`, {
    method: 'POST',
    body: new URLSearchParams({ client_id: 'pub', ...fields }),
  })
  return { status: response.status, body: (await response.json()) as PersonTokens }
}

export const refreshAt = (place: Place, refresh_token: string) =>
  tokenAt(place, { grant_type: 'refresh_token', refresh_token })

export const openVisitor = (place: Place) => {
  const browser = createBrowser(
    { request: (path, init) => fetch(place.url + path, { ...init, redirect: 'manual' }) },
    issuer,
  )

  const authorize = (query: GetCodeOptions['query'] = {}, pkce = createPKCE()): Promise<Response> =>
    browser.get(`/authorize?${authorizeQuery(pkce, query)}`)

  return {
    authorize,
    signIn: async (): Promise<void> => {
      const { email, password } = alice
      const { status } = await browser.fill('/sign-in', { email, password })
      if (status !== 303) throw new Error(`sign-in answered ${status}`)
    },
    /** All the way, with a yes where they are asked. */
    getTokens: async (): Promise<{ access_token: string; refresh_token: string }> => {
      const pkce = createPKCE()
      const page = await authorize({}, pkce)
      const answer =
        page.status === 200
          ? await browser.post('/consent', { ...fieldsOf(await page.text()), decision: 'allow' })
          : page
      const code = new URL(answer.headers.get('location') ?? issuer).searchParams.get('code') ?? ''
      const redirect_uri = authorizeQuery(pkce).get('redirect_uri') ?? ''
      const { status, body } = await tokenAt(place, {
        grant_type: 'authorization_code',
        code,
        redirect_uri,
        code_verifier: pkce.verifier,
      })
      if (status !== 200) throw new Error(`no token: ${status} ${JSON.stringify(body)}`)
      return { ...body, refresh_token: body.refresh_token ?? '' }
    },
  }
}
