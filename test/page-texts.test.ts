/** People read words that stand in the texts: no other file of the pages has any of its own. */
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import { expect, test, vi } from 'vitest'
import { texts } from '../apps/auth-server/src/views/texts.js'
import { listReasons, reasonArguments } from './error-reasons.js'

// Reads every source of the server, and more slowly on a busy machine.
vi.setConfig({ testTimeout: 60_000 })

const server = fileURLToPath(new URL('../apps/auth-server/src/', import.meta.url))

const read = (path: string): string => readFileSync(server + path, 'utf8')

const files = readdirSync(server, { recursive: true })
  .map((path) => String(path).replaceAll('\\', '/'))
  .filter((path) => /\.tsx?$/.test(path) && !/\.test\.tsx?$/.test(path))

/** What only programs are told, in JSON. Every other file may be on the way to a page. */
const ofPrograms = [
  /^(budgets|delegations|grants|resources)\//,
  /^endpoints\/(auth|ledger|token|introspect|par|revocation-feed|health|userinfo)\.ts$/,
  /^middleware\/(authenticate-\w+|bearer-token|limit-clients|limit-registrations)\.ts$/,
  /^registration\/(admin-\w+|client-configuration|dynamic-registration|list-clients|page-query)\.ts$/,
  /^(authorization\/redeem-code|device\/start-device|rate-limits\/failed-authentications)\.ts$/,
  /^(app|issue-tokens|store\/ledger|verify-access-token)\.ts$/,
]

/** What the application is told at its redirect URI, or what is caught on the way to a page. */
const ofApplications = new Set([
  'bad_signature',
  'consent_denied',
  'consent_required',
  'dpop_not_supported',
  'grant_type_not_allowed',
  'login_required',
  'malformed_code_challenge',
  'malformed_max_age',
  'malformed_prompt',
  'missing_code_challenge',
  'missing_response_type',
  'nested_request_uri',
  'nonce_too_long',
  'request_object',
  'request_too_long',
  'unsupported_challenge_method',
  'unsupported_response_mode',
  'unsupported_response_type',
  'wrong_issuer',
])

const reasonsOnPages = (): string[] => {
  const functions = new Map(files.flatMap((path) => [...reasonArguments(read(path))]))
  const found = files
    .filter((path) => !ofPrograms.some((pattern) => pattern.test(path)))
    .flatMap((path) => listReasons(read(path), functions))
  return [...new Set(found)].toSorted()
}

const reasons = reasonsOnPages()

test('every reason that can reach a page has words for people', () => {
  expect(reasons).toContain('redirect_uri_mismatch')
  const known = { ...texts.errors.reasons, ...texts.refusals }
  const wordless = reasons.filter((reason) => !(reason in known) && !ofApplications.has(reason))
  expect(wordless).toEqual([])
})

test('there are no words for what nothing refuses with', () => {
  const unused = Object.keys(texts.errors.reasons).filter((reason) => !reasons.includes(reason))
  expect(unused).toEqual([])
  expect([...ofApplications].filter((reason) => !reasons.includes(reason))).toEqual([])
})

/** What a reader would see of a file: text between tags, and attributes that are read out or shown. */
const wordsIn = (text: string): string[] => {
  const found: string[] = []
  const isShown = (name: string) =>
    /^(alt|aria-label|fault|hint|label|placeholder|title)$/.test(name)
  const visit = (node: ts.Node): void => {
    if (ts.isJsxText(node)) found.push(node.text)
    if (ts.isJsxExpression(node) && node.expression && ts.isStringLiteral(node.expression)) {
      found.push(node.expression.text)
    }
    if (ts.isJsxAttribute(node) && isShown(node.name.getText())) {
      if (node.initializer && ts.isStringLiteral(node.initializer))
        found.push(node.initializer.text)
    }
    ts.forEachChild(node, visit)
  }
  visit(ts.createSourceFile('a.tsx', text, ts.ScriptTarget.ESNext, true))
  return found.map((one) => one.trim()).filter((one) => /\p{Letter}/u.test(one))
}

test('what pages say is written in the texts alone', () => {
  const bite = `<p title="Now"><b>Read</b> {'this'} {texts.common.product} · <i class="quiet" /></p>`
  expect(wordsIn(bite)).toEqual(['Now', 'Read', 'this'])
  const pages = files.filter((path) => path.endsWith('.tsx'))
  expect(pages).toContain('views/account.tsx')
  const found = pages.flatMap((path) => wordsIn(read(path)).map((words) => `${path}: ${words}`))
  expect(found).toEqual([])
})
