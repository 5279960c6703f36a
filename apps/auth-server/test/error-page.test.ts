/** What people are told when something goes wrong, and what programs are told of the same. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { texts } from '../src/views/texts.js'
import {
  appUri,
  authorizeQuery,
  createPKCE,
  openPeopleServer,
  type PeopleServer,
} from './browser.js'
import { basic } from './harness.js'

let server: PeopleServer
beforeAll(async () => {
  server = await openPeopleServer()
})
afterAll(() => server.close())

const unescaped = (html: string): string => html.replaceAll('&#39;', "'").replaceAll('&quot;', '"')

test('a page says it in the words for people, with the names for whoever helps them', async () => {
  const { reasons } = texts.errors
  const cases: [Record<string, string>, keyof typeof reasons, string][] = [
    [{ client_id: 'nobody' }, 'unknown_client', 'invalid_request'],
    [{ redirect_uri: `${appUri}/other` }, 'redirect_uri_mismatch', 'invalid_request'],
    [{ request_uri: 'urn:example:gone' }, 'unknown_request_uri', 'invalid_request_uri'],
  ]
  for (const [more, reason, code] of cases) {
    const answer = await server.request(`/authorize?${authorizeQuery(createPKCE(), more)}`)
    const html = unescaped(await answer.text())
    expect([reason, answer.status]).toEqual([reason, 400])
    const { description, hint } = reasons[reason] ?? { description: 'missing' }
    for (const words of [description, hint ?? texts.common.goBack, `${code} · ${reason}`]) {
      expect(html).toContain(words)
    }
  }
})

test('a program is told what it was told before', async () => {
  const query = authorizeQuery(createPKCE(), { redirect_uri: `${appUri}/other`, client_id: 'conf' })
  const fields = Object.fromEntries(query)
  const { body } = await server.post('/par', fields, { Authorization: basic('conf') })
  expect(body).toMatchObject({
    error: 'invalid_request',
    error_detail: 'redirect_uri_mismatch',
    error_description:
      'The application wants the answer at an address that is not registered for it.',
  })
})
