import fc from 'fast-check'
import { expect, test } from 'vitest'
import { safeReturnTo } from './return-to.js'

test.each([
  '/authorize?client_id=desktop&state=a%2Fb',
  '/account',
  '/account/security',
  '/device?user_code=ABCD-EFGH',
  '/logout?x=https://evil.example',
])('goes to a page of ours: %s', (path) => {
  expect(safeReturnTo(path, '')).toBe(path)
  expect(safeReturnTo(`/auth${path}`, '/auth')).toBe(`/auth${path}`)
})

test.each([
  undefined,
  '',
  '//evil.example/',
  'https:\\\\evil.example',
  'https://evil.example/authorize',
  'javascript:alert(1)',
  '/\\evil.example',
  '/authorize\\..\\..',
  '/authorize/../../evil',
  '/authorize/./x',
  '/authorize//evil.example',
  '/authorize/%2e%2e/token',
  '/authorized',
  '/token',
  '/sign-in',
  '/account\r\nSet-Cookie: a=b',
  '/account\t',
  '/account?a b',
  '/account#@evil.example',
  ' /account',
  'account',
])('goes to the account page instead of %j', (path) => {
  expect(safeReturnTo(path, '')).toBe('/account')
  expect(safeReturnTo(path, '/auth')).toBe('/auth/account')
})

test('goes nowhere by a text that is too long for a URL', () => {
  expect(safeReturnTo(`/authorize?${'a'.repeat(20_000)}`, '')).toBe('/account')
})

const bits = fc.constantFrom(
  ...['/', '\\', '//', '.', '..', '%', '%2f', '@', ':', '?', '#', '\t', '\n', '\u0000', ' ', 'é'],
  ...['/authorize', '/account', '/device', '/logout', 'https:', 'javascript:', 'evil.example'],
)
const hostile = fc.oneof(
  fc.array(bits, { maxLength: 8 }).map((parts) => parts.join('')),
  fc.array(bits, { maxLength: 5 }).map((parts) => `/authorize${parts.join('')}`),
  fc.string({ unit: 'binary' }),
)

test('whatever it is given, a browser stays on this host and on these pages', () => {
  fc.assert(
    fc.property(hostile, fc.constantFrom('', '/auth'), (text, base) => {
      const answer = safeReturnTo(text, base)
      const url = new URL(answer, 'https://as.example')
      expect(url.origin).toBe('https://as.example')
      expect(url.pathname).toMatch(
        new RegExp(`^${base}/(authorize|account|device|logout)(/[^/%]+)*/?$`),
      )
      expect(url.hash).toBe('')
    }),
    { numRuns: 2000 },
  )
})
