/** Identity belongs to a request: not to a server, a session, or the id of a message. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  type Answer,
  call,
  connectModern,
  connectV1,
  createWorld,
  generations,
  textOf,
  type World,
  withToken,
} from './world.js'

const crowd = 100
const names = Array.from({ length: crowd }, (_, index) => `agent-${index}`)

let world: World
beforeAll(async () => {
  world = await createWorld({ crowd })
}, 30_000)
afterAll(() => world.stop())

const whoami = JSON.stringify({
  jsonrpc: '2.0',
  id: 1,
  method: 'tools/call',
  params: { name: 'whoami', arguments: {} },
})

/** As the 2025 protocol has it: one message, answered on its own stream. */
const ask = async (url: string, token: string): Promise<string> => {
  const response = await fetch(url, {
    method: 'POST',
    headers: {
      Accept: 'application/json, text/event-stream',
      'Content-Type': 'application/json',
      'MCP-Protocol-Version': '2025-11-25',
      Authorization: `Bearer ${token}`,
    },
    body: whoami,
  })
  const line = (await response.text()).split('\n').find((one) => /^(data: )?\{/.test(one)) ?? '{}'
  return textOf((JSON.parse(line.replace(/^data: /, '')) as { result: Answer }).result)
}

describe.each(generations)('%s', (generation) => {
  test(`${crowd} callers at once, all with the same message id, get their own names`, async () => {
    const url = world.url(generation)
    const tokens = await Promise.all(names.map((name) => world.auth.token(name, url)))
    // Twice: the second time every token is one that was seen before.
    for (let round = 0; round < 2; round += 1) {
      expect(await Promise.all(tokens.map((token) => ask(url, token)))).toEqual(names)
    }
  }, 30_000)

  test('so do stock clients of both generations', async () => {
    const url = world.url(generation)
    const some = names.slice(0, 16)
    const answers = await Promise.all(
      some.map(async (name, index) => {
        const connect = index % 2 === 0 ? connectV1 : connectModern
        const client = await connect(url, withToken(await world.auth.token(name, url)))
        const answer = textOf(await call(client, 'whoami'))
        await client.close()
        return answer
      }),
    )
    expect(answers).toEqual(some)
  }, 30_000)
})
