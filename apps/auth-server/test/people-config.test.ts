/** Mistakes about people in the file are told by path, with what to do. */
import { expect, test } from 'vitest'
import { checkConfig } from '../src/check-config.js'
import { parseConfig } from '../src/config.js'

const read = (config: object, env: Record<string, string> = {}) => {
  const parsed = parseConfig(JSON.stringify(config), env)
  checkConfig(parsed)
  return parsed
}

const tenants = [{ tenant_id: 'acme' }]
const user = { email: 'alice@acme.test', password: 'long enough' }
const oidc = {
  provider_id: 'corp',
  discovery_url: 'https://id.example/.well-known/openid-configuration',
  client_id: 'a',
}
const sso = {
  provider_id: 'acme-sso',
  tenant_id: 'acme',
  domain: 'acme.test',
  issuer: 'https://id.acme.test',
  client_id: 'a',
  client_secret: 'a-secret-of-it',
}

test.each([
  [{ people: { sign_up: 'maybe' } }, /people\.sign_up: /],
  [
    { people: { sso: [{ ...sso, protocol: 'saml' }] } },
    /people\.sso\[0\]\.protocol: must be "oidc": SAML is not spoken here\. .*docs\/decisions\/0021/,
  ],
  [{ people: { default_tenant_id: 'x' } }, /people\.default_tenant_id: "x" is not among tenants/],
  [{ people: { session_lifetime_hours: 0 } }, /people\.session_lifetime_hours: /],
  [
    { people: { breached_passwords: { url: 'http://list.example' } } },
    /people\.breached_passwords\.url: must be https/,
  ],
  [
    { people: { breached_passwords: { when_unreachable: 'shrug' } } },
    /people\.breached_passwords\.when_unreachable: /,
  ],
  [
    { people: { social: { myspace: { client_id: 'a', client_secret: '12345678' } } } },
    /people\.social/,
  ],
  [
    { people: { social: { github: { client_id: 'a' } } } },
    /people\.social\.github\.client_secret: /,
  ],
  [
    { people: { oidc: [{ ...oidc, provider_id: 'A/B' }] } },
    /people\.oidc\[0\]\.provider_id: must be small letters/,
  ],
  [{ people: { oidc: [oidc, oidc] } }, /people: "corp" is there twice/],
  [
    { people: { oidc: [{ ...oidc, client_secret: { env: 'NO' } }] } },
    /people\.oidc\[0\]\.client_secret: the environment variable NO is not set/,
  ],
  [{ people: { sso: [sso] } }, /people\.sso\[0\]\.tenant_id: "acme" is not among tenants/],
  [
    { people: { sso: [{ ...sso, domain: '*' }] }, tenants },
    /people\.sso\[0\]\.domain: must be a domain/,
  ],
  [
    { people: { mail: { webhook_url: 'http://mail.example' } } },
    /people\.mail\.webhook_url: must be https/,
  ],
  [{ people: { colour: 'red' } }, /people: .*colour/],
  [
    { users: [user, { ...user, email: 'Alice@ACME.test' }] },
    /users: "alice@acme.test" is there twice/,
  ],
  [
    { users: [{ ...user, tenant_id: 'acme' }] },
    /users\[0\]\.tenant_id: "acme" is not among tenants/,
  ],
  [{ users: [{ ...user, org_role: 'owner' }] }, /users\[0\]\.tenant_id: is missing/],
  [{ users: [{ ...user, password: 'short' }] }, /users\[0\]\.password: /],
  [
    { users: [{ ...user, password: { env: 'NO' } }] },
    /users\[0\]\.password: the environment variable NO is not set/,
  ],
  [{ users: [{ ...user, email: 'alice' }] }, /users\[0\]\.email: /],
  [
    { users: [{ ...user, claims: { role: 'admin' } }] },
    /users\[0\]\.claims\.role: is a claim with a meaning of its own/,
  ],
  [{ people: { max_claims_bytes: 8193 } }, /people\.max_claims_bytes: /],
  [
    { tenants: [{ tenant_id: 'acme', claims: { sub: 'x' } }] },
    /tenants\[0\]\.claims\.sub: is a claim/,
  ],
])('%j is refused', (config, message) => {
  expect(() => read(config)).toThrow(message)
})

test.each([
  [
    'of a person',
    { users: [{ ...user, claims: { big: 'x'.repeat(5000) } }] },
    /users\[0\]\.claims: 5010 bytes are more than the 4096 of people\.max_claims_bytes/,
  ],
  [
    'of an organization, in bytes',
    { tenants: [{ tenant_id: 'acme', claims: { big: 'ü'.repeat(2100) } }] },
    /tenants\[0\]\.claims: 4210 bytes are more than/,
  ],
  [
    'of both together, wherever the person may be asked into',
    {
      users: [{ ...user, claims: { a: 'x'.repeat(2100) } }],
      tenants: [...tenants, { tenant_id: 'big', claims: { b: 'x'.repeat(2100) } }],
    },
    /users\[0\]\.claims: with those of tenant "big" 4215 bytes are more than/,
  ],
  [
    'of a person, for an operator who wants less',
    { people: { max_claims_bytes: 100 }, users: [{ ...user, claims: { a: 'x'.repeat(100) } }] },
    /users\[0\]\.claims: 108 bytes are more than the 100 of/,
  ],
])('too many claims %s are told with how many, and which setting', (_, config, message) => {
  expect(() => read(config)).toThrow(message)
})

test('there may be as many custom claims as one likes, as long as the operator says', () => {
  const many = Object.fromEntries(Array.from({ length: 700 }, (_, n) => [`c${n}`, n]))
  const same = { big: 'x'.repeat(4000) }
  const claims = { ...user, claims: many }
  expect(() => read({ users: [claims], people: { max_claims_bytes: 8192 } })).not.toThrow()
  // Of a name that both have one stands in the token.
  const both = {
    users: [{ ...user, claims: same }],
    tenants: [{ tenant_id: 'acme', claims: same }],
  }
  expect(() => read(both)).not.toThrow()
})

test('secrets of people come from the environment, too', () => {
  const env = { A: 'alice has a secret', B: 'the site has one', C: 'so has the mail' }
  const config = read(
    {
      tenants,
      users: [{ ...user, password: { env: 'A' } }],
      people: {
        oidc: [{ ...oidc, client_secret: { env: 'B' } }],
        sso: [{ ...sso, client_secret: { env: 'B' } }],
        social: { github: { client_id: 'a', client_secret: { env: 'B' } } },
        mail: { webhook_url: 'https://mail.example', webhook_secret: { env: 'C' } },
      },
    },
    env,
  )
  expect(config.users[0]?.password).toBe(env.A)
  expect(config.people.oidc[0]?.client_secret).toBe(env.B)
  expect(config.people.sso[0]?.client_secret).toBe(env.B)
  expect(config.people.social.github?.client_secret).toBe(env.B)
  expect(config.people.mail?.webhook_secret).toBe(env.C)
})

test('strangers stay out unless the file says otherwise', () => {
  expect(read({}).people).toMatchObject({
    sign_up: 'invited',
    require_verified_email: true,
    breached_passwords: { enabled: true, when_unreachable: 'allow' },
  })
})
