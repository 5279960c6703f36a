/** The account page of somebody for whom very much may act: page by page, in a few queries. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Database } from '../src/store/database.js'
import { openBrowser, openPeopleServer, type PeopleServer } from './browser.js'

const consents = 45
const connections = 120

let server: PeopleServer
let asked = 0

/** The same database, and how often it was asked. */
const counted = (database: Database): Database => {
  const count =
    (query: Database['read']): Database['read'] =>
    (...all) => {
      asked += 1
      return query(...all)
    }
  return { ...database, read: count(database.read), report: count(database.report) }
}

const times = `$1::text::timestamptz - make_interval(secs => n)`

/** `client-1` is the newest. Under it hang as many as nobody reads, `agent-1` the newest of them. */
const fill = async ({ database, clock }: PeopleServer): Promise<void> => {
  const now = clock.now().toISOString()
  await database.write(
    `insert into delegations (id, lineage, tenant_id, subject, actor, scope, resources, limits,
       budget_ids, created_at)
     select 'dlg_root_' || n, array['dlg_root_' || n], 'acme', 'usr_carol', 'client-' || n,
       '{docs:read}', '{}', '{}', array['tenant:acme', 'consent:cns_' || n], ${times}
     from generate_series(1, ${consents}) n`,
    [now],
  )
  await database.write(
    `insert into consents (id, subject, client_id, tenant_id, scope, resources, granted, limits,
       delegation_id, created_at)
     select 'cns_' || n, 'usr_carol', 'client-' || n, 'acme', '{docs:read}', '{}', '{}', '{}',
       'dlg_root_' || n, ${times}
     from generate_series(1, ${consents}) n`,
    [now],
  )
  await database.write(
    `insert into budgets (id, tenant_id, cap, spent)
     select 'consent:cns_' || n, 'acme', 9000000, n * 1000 from generate_series(1, ${consents}) n`,
    [],
  )
  await database.write(
    `insert into delegations (id, parent_id, lineage, tenant_id, subject, actor, scope, resources,
       limits, budget_ids, created_at)
     select 'dlg_at_' || n, 'dlg_root_1', array['dlg_root_1', 'dlg_at_' || n], 'acme', 'usr_carol',
       'agent-' || n, '{docs:read}', '{}', '{}', array['tenant:acme', 'consent:cns_1'], ${times}
     from generate_series(1, ${connections}) n`,
    [now],
  )
}

beforeAll(async () => {
  const plain = await openPeopleServer()
  await fill(plain)
  const other = await openPeopleServer({ database: counted(plain.database), clock: plain.clock })
  server = { ...other, close: plain.close }
})
afterAll(() => server.close())

const carol = () => openBrowser(server, 'usr_carol')

const linkTo = (html: string, text: string): string | undefined =>
  new RegExp(`href="([^"]*)">${text}<`).exec(html)?.[1]?.replaceAll('&amp;', '&')

/** All pages from here on, by the link to older ones. */
const leaf = async (path: string): Promise<string[]> => {
  const { text } = await carol().get(path)
  const next = linkTo(text, 'Older ones')
  return next === undefined ? [text] : [text, ...(await leaf(next))]
}

const clientsIn = (html: string): string[] =>
  [...html.matchAll(/<h2>(client-\d+)<\/h2>/g)].map(([, name = '']) => name)
const agentsIn = (html: string): string[] =>
  [...html.matchAll(/(agent-\d+) ·/g)].map(([, name = '']) => name)

const upTo = (name: string, most: number): string[] =>
  Array.from({ length: most }, (_, index) => `${name}-${index + 1}`)

test('every consent is on one of its pages, the newest first, and none is on two', async () => {
  const pages = await leaf('/account')
  expect(pages.map((page) => clientsIn(page).length)).toEqual([20, 20, 5])
  expect(pages.flatMap(clientsIn)).toEqual(upTo('client', consents))
  expect(pages[2]).toContain('0.045 of 9 USD')
  expect(linkTo(pages[1] ?? '', 'Newer ones')).toBe('/account')
  expect(linkTo(pages[2] ?? '', 'Newer ones')).toBe('/account?page=1')
})

test('a full page takes no more questions than one with a single consent', async () => {
  const count = async (path: string): Promise<number> => {
    asked = 0
    expect((await carol().get(path)).status).toBe(200)
    return asked
  }
  const full = await count('/account')
  expect(full).toBeLessThanOrEqual(5)
  expect(await count('/account/consent?id=cns_2')).toBe(full)
})

test('of what acts under a consent it shows the newest, and leads to all the others', async () => {
  const [first = ''] = await leaf('/account')
  expect(agentsIn(first)).toEqual(upTo('agent', 5))
  const all = linkTo(first, 'Show all that is acting under it')
  expect(all).toBe('/account/consent?id=cns_1')
  const pages = await leaf(all ?? '')
  expect(pages.map((page) => agentsIn(page).length)).toEqual([50, 50, 20])
  expect(pages.flatMap(agentsIn)).toEqual(upTo('agent', connections))
})

test('the oldest can be stopped, and the person stays on that page', async () => {
  const browser = carol()
  const { text } = await browser.get('/account/consent?id=cns_1&page=2')
  const form = [...text.matchAll(/<form[\s\S]*?<\/form>/g)].map(([one]) => one)
  const mine = form.find((one) => one.includes(`value="dlg_at_${connections}"`)) ?? ''
  const value = (name: string) => new RegExp(`name="${name}" value="([^"]*)"`).exec(mine)?.[1] ?? ''
  const names = ['csrf', 'delegation_id', 'page', 'of']
  const fields = Object.fromEntries(names.map((name) => [name, value(name)]))
  const done = await browser.post('/account/revoke', fields)
  expect(done.location).toBe('/account/consent?id=cns_1&page=2&notice=done')
  const after = await browser.get(done.location ?? '')
  expect(after.text).toContain('Taken back')
  expect(agentsIn(after.text)).toHaveLength(19)
})

test.each([
  ['a consent of somebody else', 'usr_bob', 'cns_1'],
  ['a consent that never was', 'usr_carol', 'cns_nothing'],
])('%s has no page', async (_, person, id) => {
  const answer = await openBrowser(server, person).get(`/account/consent?id=${id}`)
  expect([answer.status, answer.location]).toEqual([303, '/account?notice=gone'])
})

test('nobody who is signed out sees either page', async () => {
  for (const path of ['/account?page=1', '/account/consent?id=cns_1']) {
    const answer = await openBrowser(server).get(path)
    expect([answer.status, answer.location]).toEqual([303, '/sign-in?return_to=%2Faccount'])
  }
})

test.each(['-1', 'x', '1e99', '0.5', '%00', '99999999999', '%F0%9F%8E%88'])(
  'page %s is a page like another',
  async (page) => {
    for (const path of ['/account?', '/account/consent?id=cns_1&']) {
      const { status } = await carol().get(`${path}page=${page}`)
      expect([200, 400]).toContain(status)
    }
    for (const id of [page, `cns_${page}`]) {
      expect((await carol().get(`/account/consent?id=${id}`)).location).toBe('/account?notice=gone')
    }
  },
)
