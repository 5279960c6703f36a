import { inspect } from 'node:util'
import { expect, test } from 'vitest'
import { createWorld, json, metadata, refusal, resource, secret } from './stub.js'

/** Everything that a log could make of a value. */
const shown = (value: unknown): string =>
  [
    String(value),
    JSON.stringify(value),
    inspect(value, { depth: 9, showHidden: true, getters: true }),
    inspect({ nested: [value] }, { depth: 9 }),
    value instanceof Error ? `${value.stack} ${value.message}` : '',
    JSON.stringify({ ...(value as object) }),
  ].join('\n')

test('no token and no secret shows in anything that the flow gives out', async () => {
  const world = createWorld()
  const agent = world.agent()
  const own = await agent.token()
  const handOff = await agent.delegate({ to: 'researcher' })
  const delegated = await world.agent({ clientId: 'researcher' }).accept(handOff)
  const exchanged = await agent.exchange({ subjectToken: own })
  const tokens = [own, delegated, exchanged].map((token) => token.accessToken)
  for (const value of [agent, own, delegated, exchanged]) {
    for (const hidden of [secret, handOff.text, ...tokens]) {
      expect(shown(value)).not.toContain(hidden)
    }
  }
  const described = handOff.describe() + delegated.describe()
  for (const hidden of [secret, handOff.text, ...tokens]) expect(described).not.toContain(hidden)
  expect(inspect(handOff, { showHidden: true })).not.toContain('behalf-handoff')
})

test('no refusal carries them, not even one that quotes what it refuses', async () => {
  const world = createWorld()
  const agent = world.agent({ authMethod: 'client_secret_post' })
  const own = await agent.token()
  world.on(metadata.token_endpoint, (_, body) =>
    json({ error: 'invalid_request', error_description: decodeURIComponent(body) }, 400),
  )
  const quoting = await refusal(agent.exchange({ subjectToken: own }))
  expect(quoting).toMatchObject({ code: 'invalid_request' })
  world.on(metadata.token_endpoint, (request) => {
    throw Object.assign(new Error('fetch failed'), { request })
  })
  const unreachable = await refusal(agent.exchange({ subjectToken: own }))
  world.on(resource, () => json({}, 401))
  const refused = await refusal(agent.fetch(resource, {}, { resource }))
  for (const error of [quoting, unreachable, refused]) {
    expect(shown(error)).not.toContain(secret)
    expect(shown(error)).not.toContain(own.accessToken)
  }
})

test('what an agent gives out cannot be changed', async () => {
  const world = createWorld()
  const agent = world.agent()
  const token = await agent.token()
  for (const value of [agent, token]) expect(Object.isFrozen(value)).toBe(true)
})
