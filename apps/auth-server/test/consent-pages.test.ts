/** The logo and the pages of a client, where a person is asked about it. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  appUri,
  authorizeQuery,
  createPKCE,
  openBrowser,
  openPeopleServer,
  type PeopleServer,
  peopleConfig,
} from './browser.js'
import { docs } from './harness.js'

const pages = (origin: string) => ({
  logo_uri: `${origin}/logo.png`,
  client_uri: `${origin}/`,
  policy_uri: `${origin}/policy`,
  tos_uri: `${origin}/terms`,
})

let server: PeopleServer
beforeAll(async () => {
  server = await openPeopleServer()
})
afterAll(() => server.close())

const setPages = (by: string, origin: string): Promise<unknown> => {
  const { logo_uri, client_uri, policy_uri, tos_uri } = pages(origin)
  return server.database.write(
    `update clients set registered_by = $1, logo_uri = $2, client_uri = $3, policy_uri = $4,
      tos_uri = $5, resources = array[$6] where client_id = 'conf' returning client_id`,
    [by, logo_uri, client_uri, policy_uri, tos_uri, docs],
  )
}

const ask = async () => {
  const query = authorizeQuery(createPKCE(), { client_id: 'conf', redirect_uri: appUri })
  const page = await openBrowser(server, 'usr_alice').authorize(query)
  expect(page.status).toBe(200)
  return page
}

const imagesOf = ({ headers }: { headers: Headers }): string | undefined =>
  /img-src ([^;]*)/.exec(headers.get('content-security-policy') ?? '')?.[1]

test('are shown, and images may come from there alone', async () => {
  await setPages('admin', 'https://pictures.example')
  const page = await ask()
  expect(page.text).toMatch(
    /<img class="logo" src="https:\/\/pictures\.example\/logo\.png" alt="Logo of conf" width="48" height="48" referrerpolicy="no-referrer"/,
  )
  for (const path of ['', 'policy', 'terms']) {
    expect(page.text).toContain(
      `<a href="https://pictures.example/${path}" target="_blank" rel="noopener noreferrer">`,
    )
  }
  expect(imagesOf(page)).toBe('https://pictures.example')
})

test('stand in the file as well, and go when they leave it', async () => {
  const [conf, ...others] = peopleConfig.clients.filter(({ client_id }) =>
    ['conf', 'conf2'].includes(client_id),
  )
  const shown = { client_name: 'The Notebook', ...pages('https://notebook.example') }
  const apply = (more: object) =>
    server.applyConfig({
      ...peopleConfig,
      clients: [{ ...conf, ...more }, ...others],
      resources: [],
      delegation_rules: [],
    })
  await apply(shown)
  const page = await ask()
  expect(page.text).toContain('alt="Logo of The Notebook"')
  for (const path of ['', 'policy', 'terms']) {
    expect(page.text).toContain(`<a href="https://notebook.example/${path}"`)
  }
  expect(imagesOf(page)).toBe('https://notebook.example')
  await apply({})
  const bare = await ask()
  expect(bare.text).not.toMatch(/<img|notebook\.example|The Notebook/)
  expect(imagesOf(bare)).toBeUndefined()
})

test('of who registered itself only from where the answer goes', async () => {
  await setPages('dynamic', 'https://pictures.example')
  const foreign = await ask()
  expect(foreign.text).not.toMatch(/<img|pictures\.example/)
  expect(imagesOf(foreign)).toBeUndefined()
  await server.database.write(
    `update clients set redirect_uris = redirect_uris || array['https://pictures.example/cb']
      where client_id = 'conf' returning client_id`,
    [],
  )
  expect(imagesOf(await ask())).toBe('https://pictures.example')
})

test.each(['http://pictures.example', 'https://127.0.0.1', 'javascript:alert(1)//'])(
  'are not shown from %s',
  async (origin) => {
    await setPages('admin', origin)
    const page = await ask()
    expect(page.text).not.toContain(origin)
    expect(imagesOf(page)).toBeUndefined()
  },
)
