/** A device without a browser, and the person who lets it in on another machine. RFC 8628. */
import {
  type Browser,
  fieldsOf,
  openBrowser,
  type PageAnswer,
  type PeopleServer,
  type PersonTokens,
  peopleConfig,
} from './browser.js'
import { type Answer, basic, docs, type FormFields, mail, secretOf } from './harness.js'

export const deviceGrant = 'urn:ietf:params:oauth:grant-type:device_code'

export const deviceConfig = {
  ...peopleConfig,
  clients: [
    ...peopleConfig.clients,
    ...['cli', 'cli2'].map((client_id) => ({
      client_id,
      client_name: 'Command <i>Line</i>',
      kind: 'app',
      token_endpoint_auth_method: 'none',
      grant_types: [deviceGrant, 'refresh_token'],
      scope: 'openid email docs:read docs:write',
    })),
    {
      client_id: 'tv',
      kind: 'app',
      client_secret: secretOf('tv'),
      grant_types: [deviceGrant],
      scope: 'docs:read',
    },
    {
      client_id: 'headless',
      client_name: 'Headless',
      kind: 'agent',
      agent_type: 'worker',
      tenant_id: 'acme',
      client_secret: secretOf('headless'),
      grant_types: [deviceGrant, 'refresh_token'],
      scope: 'openid docs:read mail:send',
      resources: [docs, mail],
      agent_limits: { cost_budget_usd: 20, allowed_actions: ['docs.*'] },
    },
  ],
}

const publicClients = ['cli', 'cli2', 'pub', 'native']

const as = (clientId: string, fields: FormFields): [FormFields, Record<string, string>] =>
  publicClients.includes(clientId)
    ? [{ client_id: clientId, ...fields }, {}]
    : [fields, { Authorization: basic(clientId) }]

export interface DeviceBody {
  device_code: string
  user_code: string
  verification_uri: string
  verification_uri_complete: string
  expires_in: number
  interval: number
  error?: string
  error_detail?: string
}

/** `POST /device_authorization` */
export const startDevice = (
  server: PeopleServer,
  clientId = 'cli',
  fields: FormFields = { scope: 'docs:read', resource: docs },
): Promise<Answer<DeviceBody>> =>
  server.post<DeviceBody>('/device_authorization', ...as(clientId, fields))

/** The device asks at the token endpoint. */
export const poll = (
  server: PeopleServer,
  device_code: string,
  clientId = 'cli',
  more: FormFields = {},
) =>
  server.post<PersonTokens & { id_token?: string }>(
    '/token',
    ...as(clientId, { grant_type: deviceGrant, device_code, ...more }),
  )

/** Types the code in. @returns the page with the question, or the form with what is wrong */
export const typeCode = async (browser: Browser, user_code: string): Promise<PageAnswer> => {
  const page = await browser.get('/device')
  return browser.post('/device', { ...fieldsOf(page.text), user_code })
}

export const answer = (
  browser: Browser,
  question: PageAnswer,
  decision: 'allow' | 'deny' = 'allow',
  more: Record<string, string> = {},
): Promise<PageAnswer> => browser.post('/device', { ...fieldsOf(question.text), decision, ...more })

/** All the way to the yes. */
export const letIn = async (
  server: PeopleServer,
  clientId = 'cli',
  fields?: FormFields,
  person = 'usr_alice',
) => {
  const { body } = await startDevice(server, clientId, fields)
  const browser = openBrowser(server, person)
  const question = await typeCode(browser, body.user_code)
  const done = await answer(browser, question)
  return { ...body, browser, question, done }
}

export const refreshDevice = (server: PeopleServer, refresh_token: string, clientId = 'cli') =>
  server.post<PersonTokens>(
    '/token',
    ...as(clientId, { grant_type: 'refresh_token', refresh_token }),
  )

/** As the person would on the account page. */
export const takeBack = async (server: PeopleServer, clientId: string): Promise<boolean> => {
  const { store } = server.deps
  const now = server.clock.now()
  const consents = await store.consents.listLive('usr_alice', now)
  const { id = '' } = consents.find(({ client_id }) => client_id === clientId) ?? {}
  return store.consents.revoke(id, 'usr_alice', now)
}
