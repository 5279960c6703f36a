/** People with accounts of this server, in two organizations, and their browsers. */
import { createHash } from 'node:crypto'
import { createServer, type Server } from 'node:http'
import type { Letter } from '../src/people/mailer.js'
import { fieldsOf, peopleConfig } from './browser.js'
import { type Browser, createBrowser, createClock, openTestServer } from './harness.js'

export const password = 'seven quiet rivers'
export const stolen = 'a password in every list'
const of = (name: string, org_role: string, tenant_id = 'acme') => ({
  email: `${name}@acme.test`,
  name,
  password,
  tenant_id,
  org_role,
})

const users = [
  of('olga', 'owner'),
  of('adam', 'admin'),
  of('abel', 'admin'),
  of('mia', 'member'),
  of('max', 'member'),
  of('gina', 'owner', 'globex'),
]

/** Speaks the range API, and knows one password. */
const startList = (): Promise<{ list: Server; url: string }> => {
  const hash = createHash('sha1').update(stolen).digest('hex').toUpperCase()
  const list = createServer((_, response) => response.end(`${hash.slice(5)}:3`))
  return new Promise((resolve) => {
    list.listen(0, '127.0.0.1', () => {
      const address = list.address()
      const port = typeof address === 'object' ? address?.port : ''
      resolve({ list, url: `http://127.0.0.1:${port}` })
    })
  })
}

/** The form that has this button, as a browser sends it when the button is pressed. */
export const pressOn = (
  browser: Browser,
  html: string,
  button: string,
  fields: Record<string, string>,
): Promise<Response> => {
  const end = `>${button}</button>`
  const forms = [...html.matchAll(/<form[^>]*action="([^"]*)"[^>]*>.*?<\/form>/gs)]
  const [form, action = ''] = forms.find(([one]) => one.includes(end)) ?? []
  if (form === undefined) throw new Error(`no button ${button}`)
  const before = form.slice(0, form.indexOf(end))
  const tag = before.slice(before.lastIndexOf('<button'))
  const [, name] = /\sname="([^"]*)"/.exec(tag) ?? []
  const [, value = ''] = /\svalue="([^"]*)"/.exec(tag) ?? []
  const pressed = name === undefined ? {} : { [name]: value }
  return browser.post(action, { ...fieldsOf(form), ...pressed, ...fields })
}

export const organizationPage = '/account/organization'

/** @param people of the configuration; in an open house everybody may sign up */
export const openMembersServer = async (people: object = { sign_up: 'open' }) => {
  const { list, url } = await startList()
  const letters: Letter[] = []
  const server = await openTestServer({
    config: { ...peopleConfig, users, people: { breached_passwords: { url }, ...people } },
    // better-auth has a clock of its own.
    clock: createClock(new Date().toISOString()),
    mailer: async (letter) => {
      letters.push(letter)
    },
  })
  const { people: store, members } = server.deps.store

  const enter = async (name: string, secret = password): Promise<Browser> => {
    const browser = createBrowser(server)
    const answer = await browser.fill('/sign-in', { email: `${name}@acme.test`, password: secret })
    if (answer.status !== 303) throw new Error(`sign-in of ${name} answered ${answer.status}`)
    return browser
  }
  const find = async (name: string) => {
    const found = await store.findByEmail(`${name}@acme.test`)
    return { sub: found?.person.sub ?? '', memberships: found?.memberships ?? [] }
  }
  const letterPath = (): string => {
    const { pathname, search } = new URL(letters.at(-1)?.link ?? '')
    return pathname + search
  }
  const csrfOf = async (browser: Browser): Promise<string> =>
    fieldsOf(await (await browser.get('/account/security')).text()).csrf ?? ''

  return {
    server,
    letters,
    enter,
    find,
    letterPath,
    csrfOf,
    press: async (
      browser: Browser,
      button: string,
      fields: Record<string, string> = {},
      at = organizationPage,
    ): Promise<Response> => pressOn(browser, await (await browser.get(at)).text(), button, fields),
    roleOf: async (name: string, tenant = 'acme') =>
      (await find(name)).memberships.find(({ tenant_id }) => tenant_id === tenant)?.orgRole,
    memberId: async (name: string, tenant = 'acme') =>
      (await members.idOf(tenant, (await find(name)).sub)) ?? '',
    joinAs: (userId: string, organizationId: string, role: 'owner' | 'member' = 'member') =>
      store.join({ id: server.deps.newId('mbr'), userId, organizationId, role }),
    /** A form that no page has shown. */
    forge: async (
      browser: Browser,
      what: 'members' | 'invitations',
      fields: Record<string, string>,
    ): Promise<number> => {
      const path = `${organizationPage}/${what}`
      const form = { csrf: await csrfOf(browser), tenant_id: 'acme', ...fields }
      return (await browser.post(path, form)).status
    },
    /** An account that nobody has invited. */
    addPerson: async (name: string): Promise<void> => {
      const email = `${name}@acme.test`
      await createBrowser(server).fill('/sign-up', { email, password, name })
      await createBrowser(server).fill(letterPath(), {})
    },
    /** Every test may try as often as it likes. */
    calm: async (): Promise<void> => {
      letters.length = 0
      await server.database.write('delete from attempts', [])
    },
    close: async (): Promise<void> => {
      await server.close()
      list.close()
    },
  }
}
export type MembersServer = Awaited<ReturnType<typeof openMembersServer>>
