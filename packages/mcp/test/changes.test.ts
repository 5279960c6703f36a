/** What the SDKs let a server change of a thing that is registered, and what stays guarded by that. */
import {
  McpServer as McpServerV1,
  ResourceTemplate as ResourceTemplateV1,
} from '@modelcontextprotocol/sdk/server/mcp.js'
import {
  McpServer as McpServerV2,
  ResourceTemplate as ResourceTemplateV2,
} from '@modelcontextprotocol/server'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { guardOf, letIn } from './known-callers.js'
import { talkTo } from './talk.js'

const info = { name: 'docs', version: '1.0.0' }
const capabilities = { capabilities: { tools: {}, prompts: {}, resources: {} } }
const text = (value: string) => ({ content: [{ type: 'text' as const, text: value }] })
const messages = { messages: [] }
const contents = { contents: [{ uri: 'docs://vault', text: 'gold' }] }
const ofGlobex = { visible: { tenants: ['globex'] } }

type List = () => { resources: { uri: string; name: string }[] }

const makers = [
  {
    generation: 'v1',
    make: () => new McpServerV1(info, capabilities),
    listing: (uri: string, list: List) => new ResourceTemplateV1(uri, { list }),
    template: (uri: string) =>
      new ResourceTemplateV1(uri, { list: undefined, complete: { id: () => ['gold'] } }),
  },
  {
    generation: 'v2',
    // One of the two: what is done here, both generations do alike.
    make: () => new McpServerV2(info, capabilities) as unknown as McpServerV1,
    listing: (uri: string, list: List) =>
      new ResourceTemplateV2(uri, { list }) as unknown as ResourceTemplateV1,
    template: (uri: string) =>
      new ResourceTemplateV2(uri, {
        list: undefined,
        complete: { id: () => ['gold'] },
      }) as unknown as ResourceTemplateV1,
  },
]

describe.each(makers)('on a server of $generation', ({ make, template, listing }) => {
  const enter = async () => {
    const guard = guardOf()
    const authInfo = await letIn(guard, {})
    return { guard, server: make(), authInfo }
  }
  const shown = async (ask: Awaited<ReturnType<typeof talkTo>>) => {
    const lists = ['tools/list', 'prompts/list', 'resources/list', 'resources/templates/list']
    return JSON.stringify(await Promise.all(lists.map((list) => ask(list))))
  }

  test('what is renamed again and again, and taken away, is shown to nobody else', async () => {
    const { guard, server, authInfo } = await enter()
    const tool = guard.tool(server, 'secret', ofGlobex, undefined, () => text('gold'))
    const prompt = guard.prompt(server, 'secret', ofGlobex, undefined, () => messages)
    const resource = guard.resource(server, 'secret', 'docs://secret', ofGlobex, () => contents)
    const page = guard.resource(
      server,
      'secret',
      template('docs://secret/{id}'),
      ofGlobex,
      () => contents,
    )
    for (const name of ['secret-2', 'secret-3', 'secret', 'secret-4', null]) {
      tool.update({ name })
      prompt.update({ name })
      resource.update({ uri: name && `docs://${name}` })
      page.update({ name })
    }
    const ask = await talkTo(server, authInfo)
    expect(await shown(ask)).not.toContain('secret')
    for (const name of ['secret', 'secret-2', 'secret-3', 'secret-4']) {
      const called = JSON.stringify(await ask('tools/call', { name, arguments: {} }))
      expect(called).toContain(`Tool ${name} not found`)
    }
  })

  test('a handle of what is gone takes no rule from what has its name now', async () => {
    const { guard, server, authInfo } = await enter()
    const old = guard.tool(server, 'secret', {}, undefined, () => text('old'))
    old.remove()
    guard.tool(server, 'secret', ofGlobex, undefined, () => text('gold'))
    old.disable()
    const ask = await talkTo(server, authInfo)
    expect(await shown(ask)).not.toContain('secret')
  })

  test('the rule of a template goes with its address', async () => {
    const { guard, server, authInfo } = await enter()
    const page = guard.resource(
      server,
      'page',
      template('docs://old/{id}'),
      ofGlobex,
      () => contents,
    )
    page.update({ template: template('docs://new/{id}') })
    const ask = await talkTo(server, authInfo)
    const read = JSON.stringify(await ask('resources/read', { uri: 'docs://new/1' }))
    const unknown = JSON.stringify(await ask('resources/read', { uri: 'docs://gone/1' }))
    expect(read.replaceAll('new', 'gone').replace('"id":1', '"id":2')).toBe(unknown)
    const ref = { type: 'ref/resource', uri: 'docs://new/{id}' }
    const completed = await ask('completion/complete', { ref, argument: { name: 'id', value: '' } })
    expect(JSON.stringify(completed)).not.toContain('gold')
  })

  test('a rule that could never work names the thing that it is for', async () => {
    const { guard, server } = await enter()
    const sell = () => guard.tool(server, 'search', { cost: '0.04' }, undefined, () => text('x'))
    expect(sell).toThrow(TypeError)
    expect(sell).toThrow('guard: "search": a cost needs an action')
    const page = () => guard.resource(server, 'page', 'docs://page', { scope: ' ' }, () => contents)
    expect(page).toThrow('guard: "page": A scope must be')
  })

  test('a hidden template lists nothing, even what does not fit it', async () => {
    const { guard, server, authInfo } = await enter()
    const list = () => ({ resources: [{ uri: 'docs://cellar/a/b', name: 'gold' }] })
    const cellar = listing('docs://cellar/{id}', list)
    const page = guard.resource(server, 'cellar', cellar, ofGlobex, () => contents)
    const ask = await talkTo(server, authInfo)
    expect(await shown(ask)).not.toContain('gold')
    page.update({ template: listing('docs://cave/{id}', list) })
    expect(await shown(ask)).not.toContain('gold')
    guard.resource(server, 'open', listing('docs://open/{id}', list), {}, () => contents)
    expect(await shown(ask)).toContain('gold')
  })

  test('what runs in its place later is guarded as well', async () => {
    const { guard, server, authInfo } = await enter()
    const rule = { scope: 'docs:write' }
    const tool = guard.tool(server, 'secret', rule, undefined, () => text('denied'))
    const prompt = guard.prompt(server, 'secret', rule, undefined, () => messages)
    const resource = guard.resource(server, 'vault', 'docs://vault', rule, () => contents)
    const page = guard.resource(server, 'page', template('docs://page/{id}'), rule, () => contents)
    tool.update({ callback: () => text('gold') })
    prompt.update({
      callback: () => ({ messages: [{ role: 'user', content: { type: 'text', text: 'gold' } }] }),
    })
    resource.update({ callback: () => contents })
    page.update({ callback: () => contents })
    const ask = await talkTo(server, authInfo)
    for (const answer of [
      await ask('tools/call', { name: 'secret', arguments: {} }),
      await ask('prompts/get', { name: 'secret' }),
      await ask('resources/read', { uri: 'docs://vault' }),
      await ask('resources/read', { uri: 'docs://page/1' }),
    ]) {
      expect(JSON.stringify(answer)).not.toContain('gold')
      expect(JSON.stringify(answer)).toContain('insufficient_scope')
    }
  })

  test('and is called as the SDK calls it', async () => {
    const { guard, server, authInfo } = await enter()
    const tool = guard.tool(server, 'echo', {}, { q: z.string() }, () => text('before'))
    const page = guard.resource(server, 'page', template('docs://page/{id}'), {}, () => contents)
    tool.update({ callback: ({ q }) => text(`echo of ${q}`) })
    page.update({
      callback: ({ href }, { id }) => ({ contents: [{ uri: href, text: `page ${id}` }] }),
    })
    const ask = await talkTo(server, authInfo)
    const called = await ask('tools/call', { name: 'echo', arguments: { q: 'gold' } })
    expect(JSON.stringify(called)).toContain('echo of gold')
    const read = await ask('resources/read', { uri: 'docs://page/1' })
    expect(JSON.stringify(read)).toContain('page 1')
    expect(() => tool.update({ callback: 'gold' as never })).toThrow(TypeError)
  })
})
