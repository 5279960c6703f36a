/** What is paid for a resource, a prompt, and a tool that takes its time or is not waited for. */
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { accessKey, budgetKey, denialKey } from '../src/server.js'
import { type Library, openLibrary, type Shelf, shelves } from './library.js'
import { connectModern, connectV1, withToken } from './world.js'

const parts = ['reads', 'walks', 'cancels', 'goes'] as const
type Part = (typeof parts)[number]
const nameOf = (part: Part, shelf: Shelf) => `walker-${part}-${shelf}`

let library: Library
beforeAll(async () => {
  library = await openLibrary(parts.flatMap((part) => shelves.map((shelf) => nameOf(part, shelf))))
}, 30_000)
afterAll(() => library.stop())

const tokenOf = (part: Part, shelf: Shelf) =>
  library.auth.token(nameOf(part, shelf), library.url(shelf))

/** What a token's own delegation has left, with nothing lent. */
const remaining = async (shelf: Shelf, token: string) => {
  await library.guard(shelf).flush()
  const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())
  return library.auth.remaining(claims.agent_lineage[0])
}

const connect = (shelf: Shelf, token: string) => {
  const options = withToken(token)
  return shelf.startsWith('v1')
    ? connectV1(library.url(shelf), options)
    : connectModern(library.url(shelf), options)
}

type Connected = Awaited<ReturnType<typeof connectModern>>

/** The generations call it with their options at different places. */
const walk = (client: unknown, steps: number, options: object) => {
  const call = { name: 'walk', arguments: { steps } }
  return client instanceof ClientV1
    ? client.callTool(call, undefined, options)
    : (client as Connected).callTool(call, options)
}

const message = (method: string, params: object) => ({ jsonrpc: '2.0', id: 1, method, params })

const post = (shelf: Shelf, token: string, body: object, signal: AbortSignal | null = null) =>
  fetch(library.url(shelf), {
    method: 'POST',
    headers: {
      Accept: 'application/json, text/event-stream',
      'Content-Type': 'application/json',
      'MCP-Protocol-Version': '2025-11-25',
      Authorization: `Bearer ${token}`,
    },
    body: JSON.stringify(body),
    signal,
  })

describe.each(shelves)('%s', (shelf) => {
  test('a resource and a prompt are sold while the budget lasts, and then refused by an error', async () => {
    const token = await tokenOf('reads', shelf)
    const client = (await connect(shelf, token)) as Connected
    const page = await client.readResource({ uri: 'docs://page/7' })
    expect(page.contents).toMatchObject([{ uri: 'docs://page/7', text: '7' }])
    expect(page._meta?.[budgetKey]).toEqual({
      action: 'docs.page',
      cost_usd: '0.04',
      remaining_usd: '0.06',
    })
    const asked = await client.getPrompt({ name: 'ask', arguments: { q: 'why' } })
    expect(asked._meta?.[budgetKey]).toMatchObject({ cost_usd: '0.04', remaining_usd: '0.02' })
    const refusal = {
      code: 402,
      message: expect.stringMatching(/insufficient_budget: .*needs 0\.04 USD, and 0\.02 USD/),
      data: {
        [denialKey]: {
          reason: 'insufficient_authorization',
          remediation: 'unavailable',
          error: 'insufficient_budget',
          error_detail: 'insufficient_budget',
          required: '0.04',
          remaining: '0.02',
          limited_by: expect.any(String),
        },
      },
    }
    const again = client.readResource({ uri: 'docs://page/8' })
    await expect(again).rejects.toMatchObject(refusal)
    const prompt = client.getPrompt({ name: 'ask', arguments: { q: 'why' } })
    await expect(prompt).rejects.toMatchObject(refusal)
    await client.close()
  })

  test('a tool that tells how far it is is charged what it says, and no more', async () => {
    const token = await tokenOf('walks', shelf)
    const client = await connect(shelf, token)
    const told: number[] = []
    const onprogress = ({ progress }: { progress: number }) => told.push(progress)
    const answer = await walk(client, 3, { onprogress })
    expect(told).toEqual([1, 2, 3])
    expect(answer._meta?.[budgetKey]).toMatchObject({ cost_usd: '0.03', remaining_usd: '0.07' })
    expect(await remaining(shelf, token)).toBe('0.07')
    await client.close()
  })
})

/** Where the server hears of it: in a session, and in the protocol of 2026-07-28. */
test.each(['v1s', 'v2', 'v2x'] as const)(
  'a call that a client of %s cancels costs what it had cost by then',
  async (shelf) => {
    const token = await tokenOf('cancels', shelf)
    const client = await connect(shelf, token)
    const controller = new AbortController()
    const onprogress = ({ progress }: { progress: number }) => {
      if (progress === 2) controller.abort()
    }
    const { signal } = controller
    await expect(walk(client, 8, { onprogress, signal })).rejects.toThrow()
    const left = () => remaining(shelf, token)
    await expect.poll(left, { timeout: 3000 }).toMatch(/^0\.0[78]$/)
    await client.close()
  },
)

/** The other servers close what belongs to a connection when it ends. */
test.each(['v1', 'v2', 'v2x'] as const)(
  'a client of %s that hangs up pays for what was done by then',
  async (shelf) => {
    const token = await tokenOf('goes', shelf)
    const controller = new AbortController()
    const params = { name: 'walk', arguments: { steps: 8 }, _meta: { progressToken: 1 } }
    const response = await post(shelf, token, message('tools/call', params), controller.signal)
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
    for (let text = ''; !text.includes('"progress":2'); ) text += (await reader?.read())?.value
    controller.abort()
    await expect(reader?.read()).rejects.toThrow()
    const left = () => remaining(shelf, token)
    await expect.poll(left, { timeout: 3000 }).toMatch(/^0\.0[78]$/)
  },
)

test('what was begun in a session is finished and paid for, whoever still listens', async () => {
  const token = await tokenOf('goes', 'v1s')
  const client = await connect('v1s', token)
  let begin = () => {}
  const begun = new Promise<void>((resolve) => {
    begin = resolve
  })
  const closed = expect(walk(client, 3, { onprogress: () => begin() })).rejects.toThrow()
  await begun
  await client.close()
  await closed
  await expect.poll(() => remaining('v1s', token), { timeout: 3000 }).toBe('0.07')
})

test('lists and paid answers that differ by caller are for no shared cache', async () => {
  const shelf = 'v2'
  const token = await library.auth.token('reader', library.url(shelf))
  const ask = async (method: string, params: object = {}, name?: string) => {
    const _meta = {
      'io.modelcontextprotocol/protocolVersion': '2026-07-28',
      'io.modelcontextprotocol/clientInfo': { name: 'test', version: '1' },
      'io.modelcontextprotocol/clientCapabilities': {},
    }
    const response = await fetch(library.url(shelf), {
      method: 'POST',
      headers: {
        Accept: 'application/json, text/event-stream',
        'Content-Type': 'application/json',
        'MCP-Protocol-Version': '2026-07-28',
        'Mcp-Method': method,
        ...(name && { 'Mcp-Name': name }),
        Authorization: `Bearer ${token}`,
      },
      body: JSON.stringify(message(method, { ...params, _meta })),
    })
    const line = (await response.text()).split('\n').find((one) => /^(data: )?\{/.test(one)) ?? '{}'
    return (JSON.parse(line.replace(/^data: /, '')) as { result: Record<string, unknown> }).result
  }
  for (const method of [
    'tools/list',
    'prompts/list',
    'resources/list',
    'resources/templates/list',
  ]) {
    expect(await ask(method), method).toMatchObject({ cacheScope: 'private' })
  }
  const read = (uri: string) => ask('resources/read', { uri }, uri)
  expect(await read('docs://mine')).toMatchObject({ cacheScope: 'private', ttlMs: 1000 })
  expect(await read('docs://terms')).toMatchObject({ cacheScope: 'public' })

  const legacy = await post(shelf, token, message('tools/list', {}))
  const text = await legacy.text()
  expect(text).toContain(accessKey)
  expect(text).not.toContain('cacheScope')
})
