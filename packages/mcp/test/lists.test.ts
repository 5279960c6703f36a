/** What a caller sees, and what there is no trace of, on stock servers of both generations. */
import type { Client as ClientV2 } from '@modelcontextprotocol/client'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { accessKey, denialKey } from '../src/server.js'
import { type Library, openLibrary, type Shelf } from './library.js'
import { connectModern, connectV1, connectV2, textOf, withToken } from './world.js'

let library: Library
beforeAll(async () => {
  library = await openLibrary()
}, 30_000)
afterAll(() => library.stop())

const connections = [
  { client: 'v1', connect: connectV1 },
  { client: 'v2', connect: connectV2 },
  { client: 'modern v2', connect: connectModern },
] as const

const [v1, , modern] = connections

/** All pairs of the two generations, and every other way to serve once. */
const pairs: ((typeof connections)[number] & { shelf: Shelf })[] = [
  ...connections.flatMap((one) => (['v1', 'v2'] as const).map((shelf) => ({ ...one, shelf }))),
  { ...v1, shelf: 'v1s' },
  { ...v1, shelf: 'v1f' },
  { ...modern, shelf: 'v2x' },
]

/** All three clients have the methods of this one, and answer alike as far as it is looked at. */
type AnyClient = Pick<
  ClientV2,
  | 'callTool'
  | 'listTools'
  | 'listResources'
  | 'listResourceTemplates'
  | 'listPrompts'
  | 'readResource'
  | 'getPrompt'
  | 'complete'
  | 'close'
>

const enter = async (
  { shelf, connect }: { shelf: Shelf; connect: (typeof connections)[number]['connect'] },
  name: string,
  scope?: string,
): Promise<AnyClient> => {
  const token = await library.auth.token(name, library.url(shelf), scope)
  return (await connect(library.url(shelf), withToken(token))) as unknown as AnyClient
}

const namesOf = (list: { name: string }[]) => list.map(({ name }) => name)

/** What a call came to, whether the SDK says it by a result or by an error. */
const outcomeOf = async (answer: Promise<unknown>): Promise<string> => {
  try {
    return JSON.stringify(await answer)
  } catch (error) {
    const { code, message, data } = error as Error & { code?: unknown; data?: unknown }
    return JSON.stringify({ code, message, data })
  }
}

/** The same for every name: what says it is put out of the way. */
const unnamed = (outcome: string, name: string): string => outcome.replaceAll(name, '…')

describe.each(pairs)('a $client client at a $shelf server', (pair) => {
  test('sees the tools that are for it, by scope, tenant, role, action and name', async () => {
    const reader = await enter(pair, 'reader')
    expect(namesOf((await reader.listTools()).tools)).toEqual([
      ...['open', 'whoami', 'search', 'acme', 'agents', 'marked', 'review', 'named'],
    ])
    await reader.close()
    const writer = await enter(pair, 'writer', 'docs:read docs:write')
    expect(namesOf((await writer.listTools()).tools)).toEqual([
      ...['open', 'whoami', 'search', 'publish', 'acme', 'agents', 'marked', 'review'],
    ])
    await writer.close()
    const stranger = await enter(pair, 'stranger', 'docs:read')
    expect(namesOf((await stranger.listTools()).tools)).toEqual([
      ...['open', 'whoami', 'search', 'globex', 'agents', 'mail', 'marked', 'review'],
    ])
    await stranger.close()
  })

  test('reads of what is listed for all whether it is for it, and why not', async () => {
    const reader = await enter(pair, 'reader')
    const { tools } = await reader.listTools()
    const accessOf = (name: string) => tools.find((tool) => tool.name === name)?._meta?.[accessKey]
    expect(accessOf('marked')).toEqual({ available: false })
    expect(accessOf('review')).toEqual({ available: false, scope: 'docs:write' })
    expect(accessOf('search')).toBeUndefined()
    const marked = await reader.callTool({ name: 'marked', arguments: {} })
    expect(marked).toMatchObject({
      isError: true,
      _meta: { [denialKey]: { error: 'access_denied', error_detail: 'wrong_tenant' } },
    })
    await reader.close()
    const writer = await enter(pair, 'writer', 'docs:write')
    const review = (await writer.listTools()).tools.find(({ name }) => name === 'review')
    expect(review?._meta?.[accessKey]).toEqual({ available: true })
    await writer.close()
  })

  test('sees the resources, templates and prompts that are for it', async () => {
    const reader = await enter(pair, 'reader')
    expect(namesOf((await reader.listResources()).resources)).toEqual([
      ...['terms', 'mine', 'docs://page/1'],
    ])
    expect(namesOf((await reader.listResourceTemplates()).resourceTemplates)).toEqual(['page'])
    expect(namesOf((await reader.listPrompts()).prompts)).toEqual(['ask'])
    await reader.close()
    const stranger = await enter(pair, 'stranger', 'docs:read docs:write')
    expect(namesOf((await stranger.listResources()).resources)).toEqual([
      ...['terms', 'mine', 'draft', 'vault', 'docs://page/1', 'docs://cellar/1'],
    ])
    expect(namesOf((await stranger.listResourceTemplates()).resourceTemplates)).toEqual([
      ...['page', 'cellar'],
    ])
    expect(namesOf((await stranger.listPrompts()).prompts)).toEqual(['ask', 'edit', 'secret'])
    await stranger.close()
  })

  test.each(['globex', 'admin', 'mail', 'purge'])('finds no trace of the tool %s', async (name) => {
    const reader = await enter(pair, 'reader')
    for (const args of [{}, { q: 7 }, { q: 'cats' }]) {
      const hidden = await outcomeOf(reader.callTool({ name, arguments: args }))
      const unknown = await outcomeOf(reader.callTool({ name: 'zzz', arguments: args }))
      expect(unnamed(hidden, name)).toBe(unnamed(unknown, 'zzz'))
      expect(hidden).toContain(name)
    }
    await reader.close()
  })

  test('finds no trace of resources and prompts that are not for it', async () => {
    const reader = await enter(pair, 'reader')
    const readResource = (uri: string) => outcomeOf(reader.readResource({ uri }))
    const unknown = unnamed(await readResource('docs://zzz'), 'docs://zzz')
    for (const uri of ['docs://vault', 'docs://cellar/1', 'docs://cellar/2']) {
      expect(unnamed(await readResource(uri), uri)).toBe(unknown)
    }
    const getPrompt = (name: string) => outcomeOf(reader.getPrompt({ name }))
    expect(unnamed(await getPrompt('secret'), 'secret')).toBe(
      unnamed(await getPrompt('zzz'), 'zzz'),
    )
    const complete = (uri: string) =>
      outcomeOf(
        reader.complete({
          ref: { type: 'ref/resource', uri },
          argument: { name: 'id', value: '' },
        }),
      )
    expect(await complete('docs://page/{id}')).toContain('docs://page/1')
    expect(unnamed(await complete('docs://cellar/{id}'), 'docs://cellar/{id}')).toBe(
      unnamed(await complete('docs://zzz/{id}'), 'docs://zzz/{id}'),
    )
    await reader.close()
  })

  test('uses what it sees', async () => {
    const stranger = await enter(pair, 'stranger', 'docs:read docs:write')
    const call = async (name: string, args = {}) =>
      textOf((await stranger.callTool({ name, arguments: args })) as Parameters<typeof textOf>[0])
    expect(await call('whoami')).toBe('stranger of globex')
    expect(await call('publish', { q: 'news' })).toBe('news')
    expect(await call('mail')).toBe('sent')
    expect(await outcomeOf(stranger.readResource({ uri: 'docs://vault' }))).toContain('gold')
    expect(await outcomeOf(stranger.readResource({ uri: 'docs://cellar/2' }))).toContain('wine')
    expect(await outcomeOf(stranger.getPrompt({ name: 'secret' }))).toContain('hush')
    await stranger.close()
  })
})
