import { describe, expect, test } from 'vitest'
import {
  isSecureUrl,
  issuerProblem,
  metadataUrl,
  parseMetadata,
  resourceMetadataUrl,
} from '../src/index.js'
import { refusal } from './refusal.js'

describe('an issuer', () => {
  test.each([
    'https://auth.example',
    'https://auth.example/tenants/acme',
    'https://auth.example:8443',
    'http://127.0.0.1:4000',
    'http://localhost:4000',
    'http://[::1]:4000',
  ])('may be %s', (issuer) => {
    expect(issuerProblem(issuer)).toBeUndefined()
  })

  test.each([
    ['', 'is not a URL'],
    ['auth.example', 'is not a URL'],
    ['http://auth.example', 'must use https (plain http only on loopback)'],
    ['ftp://auth.example', 'must use https (plain http only on loopback)'],
    ['http://localhost.evil.example', 'must use https (plain http only on loopback)'],
    ['http://127.0.0.1.evil.example', 'must use https (plain http only on loopback)'],
    ['http://0.0.0.0:4000', 'must use https (plain http only on loopback)'],
    ['https://user:secret@auth.example', 'must use https (plain http only on loopback)'],
    ['https://auth.example?tenant=acme', 'must have no query and no fragment'],
    ['https://auth.example#', 'must have no query and no fragment'],
    ['https://auth.example/', 'must not end with "/"'],
    ['https://auth.example/acme/', 'must not end with "/"'],
    ['https://AUTH.example', 'should be written "https://auth.example"'],
    ['https://auth.example:443', 'should be written "https://auth.example"'],
    [' https://auth.example', 'should be written "https://auth.example"'],
    ['https://auth.example\n', 'should be written "https://auth.example"'],
    ['https:auth.example', 'should be written "https://auth.example"'],
    ['https://auth.example/a/../b', 'should be written "https://auth.example/b"'],
    ['https://auth.example/a b', 'should be written "https://auth.example/a%20b"'],
    ['https://bücher.example', 'should be written "https://xn--bcher-kva.example"'],
    ['http://127.1', 'should be written "http://127.0.0.1"'],
    ['http://[0:0:0:0:0:0:0:1]', 'should be written "http://[::1]"'],
  ])('is told what is wrong with %j', (issuer, problem) => {
    expect(issuerProblem(issuer)).toBe(problem)
  })
})

describe('a secure URL', () => {
  test.each([
    'https://a.example/x?y#z',
    'http://127.0.0.1/x',
    'http://127.255.0.9',
    'http://[::1]',
  ])('may be %s', (url) => {
    expect(isSecureUrl(url)).toBe(true)
  })

  test.each([
    ...['http://a.example', 'http://10.0.0.1', 'http://[::2]', 'file:///etc/passwd', 'data:,a'],
    ...['javascript:alert(1)', 'https://a@b.example', 'https://:b@c.example', '//a.example', ''],
  ])('may not be %j', (url) => {
    expect(isSecureUrl(url)).toBe(false)
  })
})

describe('where metadata lives', () => {
  test('the well-known name goes between host and path (RFC 8414 §3.1)', () => {
    expect(metadataUrl('https://auth.example')).toBe(
      'https://auth.example/.well-known/oauth-authorization-server',
    )
    expect(metadataUrl('https://auth.example/acme')).toBe(
      'https://auth.example/.well-known/oauth-authorization-server/acme',
    )
  })

  test('the same for a resource, whose query stays (RFC 9728 §3.1)', () => {
    expect(resourceMetadataUrl('https://mcp.example/')).toBe(
      'https://mcp.example/.well-known/oauth-protected-resource',
    )
    expect(resourceMetadataUrl('https://mcp.example/mcp')).toBe(
      'https://mcp.example/.well-known/oauth-protected-resource/mcp',
    )
    expect(resourceMetadataUrl('https://mcp.example/mcp?tenant=a')).toBe(
      'https://mcp.example/.well-known/oauth-protected-resource/mcp?tenant=a',
    )
  })
})

describe('metadata', () => {
  const issuer = 'https://auth.example'
  const document = {
    issuer,
    token_endpoint: 'https://auth.example/oauth/token',
    jwks_uri: 'https://auth.example/jwks',
    agent_budget_endpoint: 'https://auth.example/budgets',
    extra: ['kept'],
  }
  const parseWith = (changes: Record<string, unknown>) =>
    refusal(() => parseMetadata(issuer, { ...document, ...changes }))

  test('is read with the members that we do not know', () => {
    expect(parseMetadata(issuer, document)).toEqual(document)
  })

  test.each([`${issuer}/`, 'https://AUTH.example', 'https://evil.example', 'http://auth.example'])(
    'is refused when it names the issuer %s',
    (other) => {
      expect(parseWith({ issuer: other })).toBe('server_error issuer_mismatch')
    },
  )

  test.each(['token_endpoint', 'jwks_uri', 'agent_revocation_feed_endpoint', 'other_endpoint'])(
    'is refused when its %s is in the clear',
    (name) => {
      expect(parseWith({ [name]: 'http://auth.example/x' })).toBe('server_error insecure_endpoint')
    },
  )

  test.each([
    ['no issuer', { issuer: undefined }],
    ['no token endpoint', { token_endpoint: undefined }],
    ['an endpoint that is no URL', { token_endpoint: '/oauth/token' }],
    ['an endpoint that is a list', { jwks_uri: ['https://auth.example/jwks'] }],
    ['grant types as text', { grant_types_supported: 'client_credentials' }],
  ])('is refused with %s', (_, changes) => {
    expect(parseWith(changes)).toBe('server_error malformed_metadata')
  })

  test.each([null, undefined, 'metadata', 1, [], [document]])('is not %j', (other) => {
    expect(refusal(() => parseMetadata(issuer, other))).toBe('server_error malformed_metadata')
  })

  test('has no __proto__', () => {
    const json = JSON.stringify({ ...document, '~': {} }).replace('"~"', '"__proto__"')
    expect(refusal(() => parseMetadata(issuer, JSON.parse(json)))).toBe(
      'server_error malformed_metadata',
    )
  })
})
