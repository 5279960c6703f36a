/** The command: its words, its exit codes, and what it never prints. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { runCommand } from '../src/conformance/command.js'
import { openStub, type Stub } from './conformance-stub.js'
import { open } from './servers.js'

let stub: Stub
let folder: string
let good: string
beforeAll(async () => {
  stub = await openStub()
  folder = await mkdtemp(join(tmpdir(), 'behalf-kit-'))
  good = await stub.issuer.good({ resource: stub.url, scope: ['docs:read', 'docs:write'] })
})
afterAll(async () => {
  await stub.close()
  await rm(folder, { recursive: true })
})

const run = async (words: readonly string[], env: Record<string, string> = {}) => {
  const [written, told]: [string[], string[]] = [[], []]
  const code = await runCommand(words, {
    env,
    write: (line) => written.push(line),
    tell: (line) => told.push(line),
  })
  return { code, written: written.join('\n'), told: told.join('\n') }
}

test('prints a line for each check, and exits with 0 when nothing failed', async () => {
  const words = ['conformance', stub.url, '--token-env', 'TOKEN']
  const { code, written } = await run(words, { TOKEN: good })
  expect(code).toBe(0)
  expect(written).toMatch(/✓ alg-none-401 +must +401 for/)
  expect(written).toMatch(/- expired-401 +must +needs the kit's own issuer/)
  expect(written).toMatch(/\d+ passed, 0 failed, \d+ skipped, \d+ requests/)
  expect(written).not.toContain(good)
})

test('exits with 1 when something failed, and says how to mend it', async () => {
  const path = join(folder, 'tokens.json')
  await writeFile(path, JSON.stringify({ good, expired: good }))
  const only = ['--only', 'expired-401,alg-none-401']
  const { code, written } = await run(['conformance', stub.url, '--tokens', path, ...only])
  expect(code).toBe(1)
  expect(written).toMatch(/✗ expired-401 +must +the token that was given: 200/)
  expect(written).toContain('Fix: Check exp on every request')
  expect(written).toContain('https://modelcontextprotocol.io/specification/2026-07-28/')
})

test('writes JSON for programs', async () => {
  const words = ['conformance', stub.url, '--token', good, '--only', 'https', '--json']
  const { written } = await run(words)
  expect(JSON.parse(written)).toMatchObject({
    url: stub.url,
    passed: 1,
    results: [{ id: 'https', status: 'passed', level: 'must', fix: expect.any(String) }],
  })
})

test('takes the token that a command prints', async () => {
  const command = `${process.execPath} -p "process.env.TOKEN"`
  const words = ['conformance', stub.url, '--token-command', command, '--only', 'good-token-200']
  expect((await run(words, { TOKEN: good })).code).toBe(0)
})

test('leaves out what is weaker than the level', async () => {
  const words = ['conformance', stub.url, '--token', good, '--level', 'must', '--json']
  const { results } = JSON.parse((await run(words)).written)
  const levels = new Set(results.map(({ level }: { level: string }) => level))
  expect([...levels]).toEqual(['must'])
})

const freeUrl = async (): Promise<string> => {
  const { url, close } = await open()
  await close()
  return url
}

test('starts the server that is to trust its own issuer, and ends it', async () => {
  const url = await freeUrl()
  const program = join(folder, 'server.mjs')
  await writeFile(
    program,
    `import { createServer } from 'node:http'
    const { port } = new URL(process.env.CONFORMANCE_RESOURCE)
    createServer((request, response) => {
      response.writeHead(401, { 'www-authenticate': 'Bearer realm="' + process.env.CONFORMANCE_ISSUER + '"' })
      response.end()
    }).listen(port, '127.0.0.1')`,
  )
  const issuerPort = new URL(await freeUrl()).port
  const start = ['--test-issuer', '--port', issuerPort, '--start', `${process.execPath} ${program}`]
  const only = ['--only', 'challenge-present,good-token-200,expired-401']
  const { code, written } = await run(['conformance', url, ...start, ...only], {
    ...process.env,
  } as Record<string, string>)
  expect(code).toBe(1)
  expect(written).toContain(`Bearer realm="http://127.0.0.1:${issuerPort}"`)
  expect(written).toMatch(/✗ good-token-200 +must +401/)
  expect(written).toMatch(/✓ expired-401 +must +401 for ended an hour ago/)
  await expect(fetch(url)).rejects.toThrow()
}, 20_000)

test.each([
  [['conformance'], 'Name one URL'],
  [['conform', 'http://a.example/'], 'There is one command'],
  [['conformance', 'mcp'], 'must be that of an MCP server'],
  [['conformance', 'http://a.example/'], 'Say where tokens come from'],
  [['conformance', 'http://a.example/', '--colour'], 'colour'],
  [['conformance', 'http://a.example/', '--token-env', 'NO'], 'The environment has no NO'],
  [['conformance', 'http://a.example/', '--client-id', 'a'], 'needs --client-secret-env'],
  [
    ['conformance', 'http://a.example/', '--client-id', 'a', '--client-secret-env', 'S'],
    'needs --issuer',
  ],
  [['conformance', 'http://a.example/', '--token', 'x', '--tool', 'a'], 'needs --tool-scope'],
  [['conformance', 'http://a.example/', '--token', 'x', '--level', 'all'], '--level must be'],
  [['conformance', 'http://a.example/', '--token', 'x', '--only', 'x'], 'no check called x'],
  [['conformance', 'http://a.example/', '--token', 'x', '--timeout', '0'], '--timeout must be'],
  [['conformance', 'http://a.example/', '--tokens', '/nowhere'], 'no JSON object of tokens'],
])('%j makes no sense, which is exit code 2', async (words, message) => {
  const { code, told, written } = await run(words)
  expect(code).toBe(2)
  expect(told).toContain(message)
  expect(written).toBe('')
})

test('says what it can do', async () => {
  for (const words of [[], ['--help']]) {
    const { code, written } = await run(words)
    expect(code).toBe(0)
    expect(written).toContain('Usage: npx @behalf/mcp conformance <url>')
  }
})
