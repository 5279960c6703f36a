/** The conformance tool of the MCP project, against the server as an operator runs it. */

import * as fs from 'node:fs'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createDatabase, docs, serverSecret } from '../harness.js'
import { endPrograms, fileOf, freePort, startProgram, whenSaid } from './program.js'
import { createVisitor } from './visitor.js'

const alice = { email: 'alice@acme.test', password: 'correct horse battery' }

const config = {
  tenants: [{ tenant_id: 'acme' }],
  resources: [{ resource: docs, tenant_id: 'acme', scopes_supported: ['docs:read'] }],
  clients: [
    {
      client_id: 'conformance',
      kind: 'app',
      token_endpoint_auth_method: 'none',
      // Its port is the caller's choice, as that of every native app.
      redirect_uris: ['http://127.0.0.1/callback', 'http://localhost/callback'],
      scope: 'docs:read',
    },
  ],
  registration: {
    client_id_metadata_documents: { scope: 'docs:read', resources: [docs], tenant_id: 'acme' },
  },
  users: [{ ...alice, tenant_id: 'acme' }],
}

/** Node 20 lacks a name that the tool imports. */
const loader =
  'globSync' in fs ? [] : ['--import', new URL('loader/register.mjs', import.meta.url).href]
const tool = fileOf('@modelcontextprotocol/conformance', 'dist/index.js')
const main = fileURLToPath(new URL('../../dist/main.js', import.meta.url))

const folder = mkdtempSync(join(tmpdir(), 'behalf-conformance-'))

let issuer: string
let dropDatabase: () => Promise<void>
beforeAll(async () => {
  const database = await createDatabase()
  dropDatabase = database.drop
  const configPath = join(folder, 'behalf.config.json')
  writeFileSync(configPath, JSON.stringify(config))
  issuer = await new Promise((resolve, reject) => {
    const { ended } = startProgram({
      args: [main],
      cwd: folder,
      env: {
        PORT: '0',
        BEHALF_CONFIG: configPath,
        BEHALF_SECRET: serverSecret,
        DATABASE_URL: database.url,
        LOG_LEVEL: 'error',
      },
      onOutput: whenSaid(/^listening on (\S+)\n/g, resolve),
      timeLimitMs: 180_000,
    })
    ended.then(({ stderr }) => reject(new Error(`it did not start: ${stderr}`)), reject)
  })
})
afterAll(async () => {
  await endPrograms()
  await dropDatabase()
  rmSync(folder, { recursive: true, force: true })
})

interface Check {
  id: string
  status: string
  errorMessage?: string
}

/** What the tool has written down of every scenario. */
const readChecks = (results: string): Check[] =>
  readdirSync(results, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('checks.json'))
    .flatMap((path) => JSON.parse(readFileSync(join(results, path), 'utf8')) as Check[])

test('both scenarios pass, and there is nothing that it warns of', async () => {
  const { visit } = createVisitor(issuer, alice)
  const results = join(folder, 'results')
  const visits: Promise<unknown>[] = []
  const { ended } = startProgram({
    args: [
      ...loader,
      tool,
      'authorization',
      ...['--url', issuer],
      ...['--client-id', 'conformance'],
      ...['--resource', docs],
      ...['--port', String(await freePort())],
      ...['--output-dir', results],
    ],
    cwd: folder,
    onOutput: whenSaid(/^(http\S+\/authorize\?\S+)$/gm, (url) => {
      visits.push(visit(url).then(fetch))
    }),
  })
  const { code, stdout } = await ended
  await Promise.all(visits)
  expect(
    readChecks(results).map(({ id, status, errorMessage }) => [id, status, errorMessage]),
  ).toEqual([
    ['authorization-code-grant', 'SUCCESS', undefined],
    ['authorization-server-metadata', 'SUCCESS', undefined],
    ['authorization-server-metadata-cimd', 'SUCCESS', undefined],
  ])
  expect(code, stdout).toBe(0)
})
