/** How long access tokens live is the operator's to say, and everything that outlasts them follows. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseConfig } from '../src/config.js'
import { publishAheadSeconds, rotationSeconds } from '../src/key-timeline.js'
import { getTokens, openPeopleServer, type PeopleServer, peopleConfig } from './browser.js'
import {
  baseConfig,
  createClock,
  decode,
  delegateOnce,
  docs,
  openTestServer,
  type TestServer,
} from './harness.js'

const access_tokens = { own_seconds: 7200, delegated_seconds: 3600 }
const config = { ...baseConfig, access_tokens }

let server: TestServer
beforeAll(async () => {
  server = await openTestServer({ config })
})
afterAll(() => server.close())

const own = async (at = server) => (await at.clientCredentials('orchestrator')).body.access_token
const lifeOf = (token: string): number => Number(decode(token).exp) - Number(decode(token).iat)
const rootOf = (token: string): string => (decode(token).agent_lineage as string[])[0] ?? ''

const told = async (id: string, at = server): Promise<number | undefined> => {
  const text = await (await at.request('/revocations')).text()
  const { revoked } = decode(text) as { revoked: { id: string; exp: number }[] }
  return revoked.find((one) => one.id === id)?.exp
}

const isActive = async (token: string, at = server) =>
  (await at.introspect('docs-server', token)).body.active

describe('a token', () => {
  test('of a client itself lives as long as the file says, and no longer', async () => {
    const { body } = await server.clientCredentials('loner')
    expect([body.expires_in, lifeOf(body.access_token)]).toEqual([7200, 7200])
    server.clock.advance(7199)
    expect(await isActive(body.access_token)).toBe(true)
    server.clock.advance(1)
    expect(await isActive(body.access_token)).toBe(false)
  })

  test('under a delegation has a lifetime of its own, and a hand-off lives as long as the giver has', async () => {
    const { handOff, token, accepted } = await delegateOnce(server)
    expect([handOff.body.expires_in, accepted.body.expires_in]).toEqual([7200, 3600])
    expect(lifeOf(token)).toBe(3600)
  })

  test('under a delegation never outlives the one that it was made from', async () => {
    const subject = await own()
    server.clock.advance(7200 - 60)
    const { handOff } = await delegateOnce(server, {}, 'orchestrator', 'researcher', subject)
    expect(handOff.body.expires_in).toBe(60)
  })

  test('is told of in advance with the same lifetime', async () => {
    const fields = { delegation_id: rootOf(await own()), scope: 'docs:read' }
    expect((await server.check('orchestrator', fields)).body).toMatchObject({ expires_in: 3600 })
  })
})

describe('for a person', () => {
  let people: PeopleServer
  beforeAll(async () => {
    people = await openPeopleServer({ config: { ...peopleConfig, access_tokens } })
  })
  afterAll(() => people.close())

  test('the access token and the ID token beside it live as long as the file says', async () => {
    const query = { scope: 'openid docs:read', resource: docs, nonce: 'n' }
    const tokens: { access_token: string; id_token?: string } = await getTokens(people, { query })
    expect(lifeOf(tokens.access_token)).toBe(7200)
    expect(lifeOf(tokens.id_token ?? '')).toBe(7200)
  })
})

describe('what outlasts tokens', () => {
  test('a revocation is told until the last token that it ended has expired', async () => {
    const token = await own()
    await server.revoke('orchestrator', token)
    expect(await told(rootOf(token))).toBe(server.clock.seconds() + 7200 + 120)
  })

  test('children that were made long ago and live still count', async () => {
    const bounded = await openTestServer({
      config: { ...config, delegation_bounds: { max_children: 1 } },
    })
    const subject = await own(bounded)
    const lend = () => bounded.exchange('orchestrator', subject, { requested_actor: 'researcher' })
    expect((await lend()).status).toBe(200)
    bounded.clock.advance(1800)
    expect((await lend()).body.error_detail).toBe('fan_out')
    const fields = { delegation_id: rootOf(subject), requested_actor: 'researcher' }
    expect((await bounded.check('orchestrator', fields)).body).toMatchObject({ allowed: false })
    await bounded.close()
  })

  test('a key is published until the last token that it signed has expired', async () => {
    const turning = await openTestServer({ config })
    turning.clock.advance(rotationSeconds - publishAheadSeconds)
    await turning.deps.keys.refresh()
    turning.clock.advance(publishAheadSeconds - 1)
    const last = await own(turning)
    turning.clock.advance(7199)
    expect(turning.deps.keys.jwks().keys).toHaveLength(2)
    expect(await isActive(last, turning)).toBe(true)
    turning.clock.advance(302)
    expect(turning.deps.keys.jwks().keys).toHaveLength(1)
    await turning.close()
  })
})

describe('a file that shortens them', () => {
  test('leaves what is out as it is, and its revocation and its key last as long', async () => {
    const clock = createClock()
    const before = await openTestServer({ config, clock })
    const token = await own(before)
    const { database } = before
    const after = await openTestServer({ config: baseConfig, clock, database })
    expect(lifeOf(await own(after))).toBe(900)
    await after.revoke('orchestrator', token)
    expect(await told(rootOf(token), after)).toBe(clock.seconds() + 7200 + 120)
    expect(await after.deps.store.tokenLifetimes.longest()).toBe(7200)
    await before.close()
  })
})

describe('the file', () => {
  const parse = (section: object) => parseConfig(JSON.stringify({ access_tokens: section }), {})

  test.each(['own_seconds', 'delegated_seconds'])('takes a minute to a day for %s', (name) => {
    for (const good of [60, 86_400]) expect(parse({ [name]: good })).toBeDefined()
    for (const bad of [0, 59, 86_401, 90.5, '900', null]) {
      expect(() => parse({ [name]: bad })).toThrow(`access_tokens.${name}: `)
    }
  })

  test('knows no other lifetime', () => {
    expect(() => parse({ seconds: 900 })).toThrow('access_tokens: Unrecognized key: "seconds"')
  })
})
