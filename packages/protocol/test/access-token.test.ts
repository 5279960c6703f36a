import { describe, expect, test } from 'vitest'
import {
  checkAccessToken,
  checkHeader,
  currentActor,
  isAccessTokenType,
  parseAccessToken,
} from '../src/index.js'
import { refusal } from './refusal.js'

const claims = {
  iss: 'https://auth.example',
  sub: 'usr_alice',
  aud: 'https://mcp.example/mcp',
  client_id: 'researcher',
  scope: 'docs:read docs:write',
  iat: 1000,
  exp: 1300,
  jti: 'at_1',
  tenant_id: 'acme',
  role: 'agent',
  agent_type: 'researcher',
  act: {
    sub: 'researcher',
    client_id: 'researcher',
    sub_profile: 'ai_agent',
    act: { sub: 'orchestrator', client_id: 'orchestrator', sub_profile: 'ai_agent' },
  },
  agent_limits: { requests_per_hour: 200, cost_budget_usd: 2.5, allowed_actions: ['docs.*'] },
  agent_lineage: ['dlg_1', 'dlg_2'],
}

const parseWith = (changes: Record<string, unknown>) => parseAccessToken({ ...claims, ...changes })

/** The claims with one member written as this JSON. */
const parseWithJson = (name: string, json: string) =>
  parseAccessToken(
    JSON.parse(JSON.stringify({ ...claims, [name]: '~' }).replace('"~"', () => json)),
  )

describe('the claims of an access token', () => {
  test('are read into words of ours', () => {
    const token = parseAccessToken(claims)
    expect(token).toMatchObject({
      issuer: 'https://auth.example',
      subject: 'usr_alice',
      audience: ['https://mcp.example/mcp'],
      clientId: 'researcher',
      scope: ['docs:read', 'docs:write'],
      issuedAt: 1000,
      notBefore: undefined,
      expiresAt: 1300,
      tenantId: 'acme',
      limits: { requestsPerHour: 200, costBudget: 2_500_000n, allowedActions: ['docs.*'] },
      lineage: ['dlg_1', 'dlg_2'],
    })
    expect(token.claims).toBe(claims)
    expect(currentActor(token)).toBe('researcher')
  })

  test('of an agent for itself need no chain and no limits', () => {
    const { act: _, agent_limits: __, agent_lineage: ___, scope: ____, ...plain } = claims
    const token = parseAccessToken({ ...plain, sub: 'researcher' })
    expect(token).toMatchObject({ act: undefined, limits: {}, lineage: [], scope: [] })
    expect(currentActor(token)).toBe('researcher')
  })

  test('may name several audiences, and members that we do not know', () => {
    const token = parseWith({ aud: ['https://a', 'https://b'], 'https://acme.example/desk': 7 })
    expect(token.audience).toEqual(['https://a', 'https://b'])
    expect(token.claims['https://acme.example/desk']).toBe(7)
  })

  test.each(['iss', 'sub', 'aud', 'client_id', 'iat', 'exp', 'jti'])(
    'are nothing without %s',
    (name) => {
      expect(refusal(() => parseWith({ [name]: undefined }))).toBe(
        `invalid_token malformed_claim_${name}`,
      )
      expect(refusal(() => parseWith({ [name]: null }))).toBe(
        `invalid_token malformed_claim_${name}`,
      )
    },
  )

  test.each([
    ['exp', '1e400'],
    ['exp', '-1e400'],
    ['exp', '"1300"'],
    ['exp', '1300.5'],
    ['exp', '-1'],
    ['exp', '10000000000'],
    ['exp', '[1300]'],
    ['exp', '{}'],
    ['exp', 'true'],
    ['iat', '1e400'],
    ['iat', '"1000"'],
    ['nbf', '1e400'],
    ['nbf', 'null'],
    ['nbf', '"0"'],
    ['iss', '["https://auth.example"]'],
    ['iss', '""'],
    ['sub', '["usr_alice"]'],
    ['sub', '""'],
    ['sub', '1'],
    ['sub', '"a\\u0000"'],
    ['sub', '"a\\ud83d"'],
    ['aud', '[]'],
    ['aud', '[""]'],
    ['aud', '[["https://mcp.example/mcp"]]'],
    ['aud', '{"0":"https://mcp.example/mcp"}'],
    ['aud', `[${Array(51).fill('"a"').join(',')}]`],
    ['client_id', '{}'],
    ['scope', '["docs:read"]'],
    ['scope', '"docs:read  docs:write"'],
    ['scope', '"docs:\\u0000"'],
    ['scope', 'null'],
    ['jti', '7'],
    ['tenant_id', 'null'],
    ['tenant_id', '["acme"]'],
    ['role', '{}'],
    ['agent_limits', 'null'],
    ['agent_limits', '[]'],
    ['agent_limits', '"none"'],
    ['agent_limits', '{"max_tokens":1}'],
    ['agent_limits', '{"cost_budget_usd":1e400}'],
    ['agent_limits', '{"__proto__":{}}'],
    ['agent_lineage', '[]'],
    ['agent_lineage', '"dlg_1"'],
    ['agent_lineage', '[1]'],
    ['agent_lineage', `[${Array(33).fill('"d"').join(',')}]`],
    ['may_act', '"researcher"'],
    ['may_act', '{}'],
    ['may_act', '[{"sub":"a"}]'],
    ['act', 'null'],
    ['act', '"researcher"'],
    ['act', '[]'],
    ['act', '[{"sub":"researcher"}]'],
    ['act', '{}'],
    ['act', '{"sub":""}'],
    ['act', '{"sub":["researcher"]}'],
    ['act', '{"sub":"a\\nb"}'],
    ['act', '{"sub":"researcher","act":null}'],
    ['act', '{"sub":"researcher","act":{"client_id":"orchestrator"}}'],
    ['act', '{"sub":"researcher","client_id":1}'],
  ])('are refused when %s is %s', (name, json) => {
    expect(refusal(() => parseWithJson(name, json))).toBe(`invalid_token malformed_claim_${name}`)
  })

  test('are refused when they are not an object', () => {
    for (const payload of [null, [], 'a', 1, undefined]) {
      expect(refusal(() => parseAccessToken(payload as never))).toMatch(/^invalid_token /)
    }
  })
})

describe('the chain of actors', () => {
  const chain = (length: number): Record<string, unknown> => {
    let act: Record<string, unknown> = { sub: 'agent-1' }
    for (let link = 2; link <= length; link += 1) act = { sub: `agent-${link}`, act }
    return act
  }

  test('may be sixteen long, and a bomb is refused soon', () => {
    expect(refusal(() => parseWith({ act: chain(16) }))).toBe('was accepted')
    expect(refusal(() => parseWith({ act: chain(17) }))).toBe('invalid_token malformed_claim_act')
    const begun = performance.now()
    const bomb = chain(100_000)
    expect(refusal(() => parseWith({ act: bomb }))).toBe('invalid_token malformed_claim_act')
    expect(performance.now() - begun).toBeLessThan(1000)
  })

  test('names nobody twice, the subject neither', () => {
    const twice = { sub: 'a', act: { sub: 'b', act: { sub: 'a' } } }
    expect(refusal(() => parseWith({ act: twice }))).toBe('invalid_token repeated_actor')
    expect(refusal(() => parseWith({ act: { sub: 'usr_alice' } }))).toBe(
      'invalid_token repeated_actor',
    )
  })

  test('names nobody of another issuer, at any depth', () => {
    const foreign = { sub: 'a', iss: 'https://evil.example' }
    expect(refusal(() => parseWith({ act: foreign }))).toBe('invalid_token foreign_actor')
    expect(refusal(() => parseWith({ act: { sub: 'b', act: foreign } }))).toBe(
      'invalid_token foreign_actor',
    )
    const own = { sub: 'a', iss: claims.iss }
    expect(refusal(() => parseWith({ act: own }))).toBe('was accepted')
  })

  test('cannot be lengthened through __proto__', () => {
    const act = JSON.parse('{"sub":"researcher","__proto__":{"act":{"sub":"ghost"}}}')
    expect(parseWith({ act }).act?.act).toBeUndefined()
  })
})

describe('the header', () => {
  const header = { typ: 'at+jwt', alg: 'ES256', kid: 'k1' }

  test('names the algorithm and the key to look up', () => {
    expect(checkHeader(header)).toEqual({ alg: 'ES256', kid: 'k1' })
    expect(checkHeader({ ...header, jku: 'https://evil.example', jwk: {} }).kid).toBe('k1')
  })

  test.each(['at+jwt', 'AT+JWT', 'application/at+jwt', 'Application/At+Jwt'])(
    'may be of type %s',
    (typ) => {
      expect(isAccessTokenType(typ)).toBe(true)
    },
  )

  test.each([
    ...['JWT', 'jwt', '', 'at+jwt ', ' at+jwt', 'at+jwt\n', 'text/at+jwt', 'at+jwt;v=1', 'at jwt'],
    ...['revocation-feed+jwt', undefined, null, ['at+jwt'], {}, 1],
  ])('may not be of type %j', (typ) => {
    expect(refusal(() => checkHeader({ ...header, typ }))).toBe('invalid_token wrong_type')
  })

  test.each([
    'none',
    'None',
    'HS256',
    'es256',
    'ES384',
    'RS512',
    '',
    undefined,
    null,
    ['ES256'],
    {},
  ])('may not name the algorithm %j', (alg) => {
    expect(refusal(() => checkHeader({ ...header, alg }))).toBe(
      'invalid_token unacceptable_algorithm',
    )
  })

  test.each([[['exp']], [[]], ['exp'], [null], [{}]])('may have no crit, not even %j', (crit) => {
    expect(refusal(() => checkHeader({ ...header, crit }))).toBe(
      'invalid_token unknown_critical_header',
    )
  })

  test.each([undefined, null, '', 1, ['k1'], {}, 'k'.repeat(256)])(
    'may not have the kid %j',
    (kid) => {
      expect(refusal(() => checkHeader({ ...header, kid }))).toBe('invalid_token missing_kid')
    },
  )
})

describe('on every use a token', () => {
  const token = parseAccessToken(claims)
  const check = (changes: Partial<Parameters<typeof checkAccessToken>[1]>, on = token) =>
    refusal(() => checkAccessToken(on, { issuer: claims.iss, now: 1100, ...changes }))

  test('is of this issuer, to the byte', () => {
    expect(check({})).toBe('was accepted')
    for (const issuer of ['https://auth.example/', 'https://AUTH.example', 'http://auth.example']) {
      expect(check({ issuer })).toBe('invalid_token wrong_issuer')
    }
  })

  test('is meant for this resource, to the byte', () => {
    expect(check({ audience: ['https://other.example', claims.aud] })).toBe('was accepted')
    for (const audience of [`${claims.aud}/`, 'https://mcp.example', 'https://mcp.example/MCP']) {
      expect(check({ audience: [audience] })).toBe('invalid_token wrong_audience')
    }
    expect(check({ audience: [] })).toBe('invalid_token wrong_audience')
  })

  test('is alive until exp and the tolerance, and not a second more', () => {
    expect(check({ now: 1304 })).toBe('was accepted')
    expect(check({ now: 1304.999 })).toBe('was accepted')
    expect(check({ now: 1305 })).toBe('invalid_token token_expired')
    expect(check({ now: 1299, clockToleranceSeconds: 0 })).toBe('was accepted')
    expect(check({ now: 1300, clockToleranceSeconds: 0 })).toBe('invalid_token token_expired')
  })

  test('is not alive before iat or nbf, less the tolerance', () => {
    expect(check({ now: 995 })).toBe('was accepted')
    expect(check({ now: 994 })).toBe('invalid_token token_not_yet_valid')
    expect(check({ now: 999, clockToleranceSeconds: 0 })).toBe('invalid_token token_not_yet_valid')
    const later = parseWith({ nbf: 1200 })
    expect(check({ now: 1195 }, later)).toBe('was accepted')
    expect(check({ now: 1194 }, later)).toBe('invalid_token token_not_yet_valid')
  })

  test('is not made alive by an nbf before its iat', () => {
    expect(check({ now: 994 }, parseWith({ nbf: 0 }))).toBe('invalid_token token_not_yet_valid')
  })
})
