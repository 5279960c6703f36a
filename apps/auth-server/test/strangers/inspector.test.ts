/** The command line of MCP Inspector, as somebody who tries a protected MCP server for the first time. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { documentOf } from '../document-host.js'
import { openPlace, type Place, redirectUri } from './place.js'
import { endPrograms, fileOf, freePort, startProgram, whenSaid } from './program.js'

const inspector = fileOf('@modelcontextprotocol/inspector', 'clients/cli/build/index.js')
const terminal = new URL('loader/terminal.mjs', import.meta.url).href

const folder = mkdtempSync(join(tmpdir(), 'behalf-inspector-'))

let place: Place
beforeAll(async () => {
  place = await openPlace()
})
afterAll(async () => {
  await endPrograms()
  await place.close()
  rmSync(folder, { recursive: true, force: true })
})

/** Runs it as one person on one machine; `home` is where it keeps what it is given. */
const inspect = async (home: string, ...args: string[]) => {
  const visits: Promise<URL>[] = []
  const { visit } = place.createVisitor()
  const goThere = whenSaid(/navigate to: (\S+)\n/g, (url) => {
    visits.push(
      visit(url).then(async (callback) => {
        await fetch(callback)
        return new URL(url)
      }),
    )
  })
  const { ended } = startProgram({
    args: [
      ...['--import', terminal, inspector, place.resource],
      ...['--transport', 'http', '--format', 'json'],
      ...['--callback-url', `http://127.0.0.1:${await freePort()}/oauth/callback`],
      ...args,
    ],
    cwd: folder,
    env: {
      HOME: join(folder, home),
      MCP_INSPECTOR_SECRET_STORE: 'file',
      // It prints where to go, and opens no browser.
      MCP_AUTO_OPEN_ENABLED: 'false',
    },
    input: 'y\n',
    onOutput: goThere,
  })
  const { code, stdout, stderr } = await ended
  return { code, stdout, stderr, asked: await Promise.all(visits) }
}

const call = (tool: string): string[] => ['--method', 'tools/call', '--tool-name', tool]

const known = ['--client-id', 'inspector']

const scopesOf = (asked: readonly URL[]) => asked.map((url) => url.searchParams.get('scope'))

const textOf = (stdout: string): string => {
  const answer = JSON.parse(stdout) as { result: { content: { text: string }[] } }
  return answer.result.content[0]?.text ?? ''
}

test('without a token and without a person it is told that it needs them', async () => {
  const { code, stderr } = await inspect('nobody', '--stored-auth-only', ...call('whoami'))
  expect(stderr).toContain('"code":"auth_required"')
  expect(code).toBe(3)
})

test('sends the person to sign in, calls a tool, and keeps its token for the next time', async () => {
  const first = await inspect('known', ...known, ...call('whoami'))
  expect(first.code, first.stderr).toBe(0)
  expect(textOf(first.stdout)).toMatch(/^usr_\S+ by inspector$/)
  expect(first.asked.map(({ searchParams }) => Object.fromEntries(searchParams))).toEqual([
    expect.objectContaining({
      client_id: 'inspector',
      code_challenge_method: 'S256',
      resource: place.resource,
      scope: 'docs:read',
    }),
  ])
  const second = await inspect('known', '--stored-auth-only', ...known, ...call('whoami'))
  expect(second.code, second.stderr).toBe(0)
  expect(second.asked).toEqual([])
  expect(textOf(second.stdout)).toBe(textOf(first.stdout))
})

test('asks the person for more when a tool needs it, and then has all of it', async () => {
  const stepUp = await inspect('wider', ...known, ...call('publish'))
  expect(stepUp.code, stepUp.stderr).toBe(0)
  expect(scopesOf(stepUp.asked)).toEqual(['docs:read', 'docs:read docs:write'])
  expect(textOf(stepUp.stdout)).toBe('docs:read docs:write')
  const again = await inspect('wider', '--stored-auth-only', ...known, ...call('publish'))
  expect(again.code, again.stderr).toBe(0)
})

test('registers itself where it is given no client id', async () => {
  const { code, stdout, stderr } = await inspect('stranger', ...call('whoami'))
  expect(code, stderr).toBe(0)
  expect(textOf(stdout)).toMatch(/^usr_\S+ by dyn_\S+$/)
})

test('is known by the document that somebody publishes about it, and steps up with that', async () => {
  const url = 'https://inspector.example.test/client.json'
  place.documents.serve(url, documentOf(url, { redirect_uris: [redirectUri] }))
  const named = ['--client-metadata-url', url]
  const { code, stderr, asked } = await inspect('document', ...named, ...call('publish'))
  expect(code, stderr).toBe(0)
  expect(asked.map(({ searchParams }) => searchParams.get('client_id'))).toEqual([url, url])
  const { stdout } = await inspect('document', '--stored-auth-only', ...named, ...call('whoami'))
  expect(textOf(stdout)).toContain(` by ${url}`)
})
