import { describe, expect, test } from 'vitest'
import {
  cleanText,
  clientId,
  delegationId,
  isCleanText,
  isPersonId,
  isResourceUri,
  resourceUri,
  tenantId,
} from '../src/index.js'

const accepts = (schema: { safeParse: (value: unknown) => { success: boolean } }, value: unknown) =>
  schema.safeParse(value).success

describe('clean text', () => {
  test.each(['a', 'ä', '研究', '🔎', 'two words', '\u2028', '\ufffd'])('may be %j', (text) => {
    expect(isCleanText(text)).toBe(true)
  })

  test.each([
    ['U+0000, which Postgres refuses', 'a\u0000b'],
    ['a line break, which would forge a line of a log', 'a\nb'],
    ['an escape sequence', '\u001b[31m'],
    ['DEL', '\u007f'],
    ['a C1 control character', '\u0085'],
    ['the first half of a character', 'a\ud83d'],
    ['the second half of a character', '\udd0ea'],
    ['the halves in the wrong order', '\udd0e\ud83d'],
  ])('has not %s', (_, text) => {
    expect(isCleanText(text)).toBe(false)
    expect(accepts(cleanText(100), text)).toBe(false)
  })

  test('has a first character and no more than its limit', () => {
    expect(accepts(cleanText(3), '')).toBe(false)
    expect(accepts(cleanText(3), 'abc')).toBe(true)
    expect(accepts(cleanText(3), 'abcd')).toBe(false)
  })
})

describe('a client id', () => {
  test.each(['researcher', 'https://app.example/client.json', 'a:b', '!', '~', 'USR_x', 'user_1'])(
    'may be %s',
    (id) => {
      expect(accepts(clientId, id)).toBe(true)
    },
  )

  test.each([
    '',
    'two words',
    'tab\t',
    'line\n',
    'é',
    '\u0000',
    'usr_alice',
    'usr_',
    'a'.repeat(201),
  ])('may not be %j', (id) => {
    expect(accepts(clientId, id)).toBe(false)
  })

  test.each([undefined, null, 1, [], {}, ['a']])('is never %j', (id) => {
    expect(accepts(clientId, id)).toBe(false)
  })

  test('is never that of a person', () => {
    expect(isPersonId('usr_alice')).toBe(true)
    expect(isPersonId('researcher')).toBe(false)
    expect(isPersonId('xusr_alice')).toBe(false)
  })
})

describe('a tenant id', () => {
  test.each(['a', '1', 'acme', 'acme-eu_1', 'a'.repeat(63)])('may be %s', (id) => {
    expect(accepts(tenantId, id)).toBe(true)
  })

  test.each(['', 'Acme', '-a', 'a-', '_a', 'a b', 'a.b', 'ä', 'a\n', 'a'.repeat(64)])(
    'may not be %j',
    (id) => {
      expect(accepts(tenantId, id)).toBe(false)
    },
  )
})

describe('a delegation id', () => {
  test('has its prefix and something after it', () => {
    expect(accepts(delegationId, 'dlg_1aZ-_')).toBe(true)
    for (const id of ['dlg_', 'dlg', 'DLG_1', 'dlg_1 ', 'dlg_../1', 'xdlg_1', 'dlg_1\n']) {
      expect([id, accepts(delegationId, id)]).toEqual([id, false])
    }
  })
})

describe('a resource', () => {
  test.each([
    'https://mcp.example/mcp',
    'https://mcp.example',
    'http://127.0.0.1:4100/mcp?tenant=a',
    'urn:example:api',
    'api://orders',
  ])('may be %s', (uri) => {
    expect(isResourceUri(uri)).toBe(true)
    expect(accepts(resourceUri, uri)).toBe(true)
  })

  test.each([
    ['no scheme', '/mcp'],
    ['no scheme but a host', '//mcp.example'],
    ['a fragment', 'https://mcp.example/mcp#tools'],
    ['an empty fragment', 'https://mcp.example/mcp#'],
    ['a space', 'https://mcp.example/a b'],
    ['a space in front', ' https://mcp.example'],
    ['a line break', 'https://mcp.example/\n'],
    ['a control character', 'https://mcp.example/\u0000'],
    ['half a character', 'https://mcp.example/\ud83d'],
    ['no host', 'https://'],
    ['nothing', ''],
    ['more than 2048 characters', `https://mcp.example/${'a'.repeat(2048)}`],
  ])('is refused with %s', (_, uri) => {
    expect(isResourceUri(uri)).toBe(false)
    expect(accepts(resourceUri, uri)).toBe(false)
  })
})
