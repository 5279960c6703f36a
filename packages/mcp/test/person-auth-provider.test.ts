/** People who sign in, and servers and strangers who want to profit from it. */
import { inspect } from 'node:util'
import { StreamableHTTPClientTransport as HttpV2 } from '@modelcontextprotocol/client'
import { StreamableHTTPClientTransport as HttpV1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Lock, type PersonAuthProviderOptions, personAuthProvider } from '../src/client.js'
import { type Scripted, startScripted, unauthorized } from './scripted.js'
import { type AnyClient, connectV1, connectV2 } from './world.js'

const redirectUrl = 'http://127.0.0.1:6276/oauth/callback'

let world: Scripted
let pages: URL[]
let kept: Map<string, string>
let seconds: number
beforeEach(async () => {
  world = await startScripted()
  pages = []
  kept = new Map()
  seconds = 1_800_000_000
  const { issuer } = world.as
  world.as.script.metadata = {
    ...Object(world.as.script.metadata),
    code_challenge_methods_supported: ['S256'],
    authorization_response_iss_parameter_supported: true,
  }
  world.as.script.token = (form) => ({
    body: {
      access_token: `token-${world.as.tokenRequests().length}`,
      token_type: 'Bearer',
      expires_in: 300,
      scope: 'docs:read',
      refresh_token: `refresh-${world.as.tokenRequests().length} of ${issuer} ${form.get('grant_type')}`,
    },
  })
})
afterEach(() => world.stop())

const storage = {
  get: (name: string) => kept.get(name),
  set: (name: string, text: string | undefined) => {
    if (text === undefined) kept.delete(name)
    else kept.set(name, text)
  },
}

const provider = (options: Partial<PersonAuthProviderOptions> = {}) =>
  personAuthProvider({
    resource: world.rs.resource,
    redirectUrl,
    client: { client_id: 'desktop' },
    expectedIssuer: world.as.issuer,
    storage,
    open: (url) => {
      pages.push(url)
    },
    now: () => seconds * 1000,
    ...options,
  })

type Provider = ReturnType<typeof provider>

/** Connects as far as the sign-in page. */
const begin = async (connect: typeof connectV1, authProvider: Provider) => {
  await connect(world.rs.resource, { authProvider }).catch(() => undefined)
  const page = pages.at(-1)
  if (!page) throw new Error('no sign-in page was shown')
  return page
}

const callbackTo = (page: URL, more: string | Record<string, string> = {}): URL => {
  const url = new URL(redirectUrl)
  const { issuer } = world.as
  const right = { code: 'code-1', state: page.searchParams.get('state') ?? '', iss: issuer }
  url.search = `${new URLSearchParams(typeof more === 'string' ? more : { ...right, ...more })}`
  return url
}

const reasonOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'accepted',
    (error) => error.reason,
  )

/** v1 is given the code alone, v2 all of the answer. */
const signInV1 = async (authProvider: Provider): Promise<void> => {
  const transport = new HttpV1(new URL(world.rs.resource), { authProvider })
  await transport.start()
  await transport.send({ jsonrpc: '2.0', id: 1, method: 'ping' }).catch(() => undefined)
  const { code } = await authProvider.answer(callbackTo(pages.at(-1) ?? new URL(redirectUrl)))
  await transport.finishAuth(code)
  await transport.close()
}

const signIn = async (authProvider: Provider): Promise<void> => {
  const transport = new HttpV2(new URL(world.rs.resource), { authProvider })
  await transport.start()
  await transport.send({ jsonrpc: '2.0', id: 1, method: 'ping' }).catch(() => undefined)
  const { params } = await authProvider.answer(callbackTo(pages.at(-1) ?? new URL(redirectUrl)))
  await transport.finishAuth(params)
  await transport.close()
}

describe.each([
  ['v1', connectV1, signInV1],
  ['v2', connectV2, signIn],
] as const)('%s', (_, connect, signIn) => {
  test('shows the page with PKCE, resource and state, and no more scope than allowed', async () => {
    world.rs.script.gate = (token) =>
      token ? undefined : unauthorized('Bearer scope="docs:read admin"')
    const page = await begin(connect, provider({ maxScope: 'docs:read docs:write' }))
    const params = Object.fromEntries(page.searchParams)
    expect(params).toMatchObject({
      response_type: 'code',
      client_id: 'desktop',
      code_challenge_method: 'S256',
      redirect_uri: redirectUrl,
      resource: world.rs.resource,
      scope: 'docs:read',
    })
    expect(params.state?.length).toBeGreaterThan(40)
  })

  test('signs in, is let in, and keeps no sign-in that is over', async () => {
    const authProvider = provider()
    await signIn(authProvider)
    const client: AnyClient = await connect(world.rs.resource, { authProvider })
    expect((await client.listTools()).tools).toHaveLength(1)
    expect(world.as.tokenRequests().map(({ form }) => form.get('grant_type'))).toEqual([
      'authorization_code',
    ])
    expect([...kept.keys()]).toEqual([`${world.rs.resource} tokens`])
    await client.close()
  })

  test('CLI-02, CLI-03, CLI-11: other issuers and resources show no page', async () => {
    const { metadata } = world.as.script
    const refused = (options = {}) =>
      connect(world.rs.resource, { authProvider: provider(options) }).then(
        () => 'connected',
        () => 'refused',
      )
    world.as.script.metadata = { ...Object(metadata), issuer: 'https://honest.example' }
    expect(await refused()).toBe('refused')
    world.as.script.metadata = metadata
    const { prm } = world.rs.script
    // The SDK takes the whole of an origin for the server at one of its paths.
    for (const resource of ['https://other.example/mcp', new URL(world.rs.resource).origin]) {
      world.rs.script.prm = { ...prm, resource }
      expect(await refused()).toBe('refused')
    }
    world.rs.script.prm = prm
    expect(await refused({ expectedIssuer: 'https://other.example' })).toBe('refused')
    world.rs.script.prm = { ...prm, authorization_servers: [world.evil.origin] }
    expect(await refused()).toBe('refused')
    expect(pages).toEqual([])
    expect(world.as.tokenRequests()).toEqual([])
    expect(world.evil.seen.filter(({ method }) => method === 'POST')).toEqual([])
  })

  test('CLI-04: without PKCE by S256 nobody is sent anywhere', async () => {
    for (const methods of [undefined, ['plain']]) {
      const metadata = Object(world.as.script.metadata)
      world.as.script.metadata = { ...metadata, code_challenge_methods_supported: methods }
      await expect(connect(world.rs.resource, { authProvider: provider() })).rejects.toThrow()
    }
    expect(pages).toEqual([])
  })

  test('CLI-17: metadata that can be read in two ways leads nowhere', async () => {
    const { metadata } = world.as.script
    const evil = `"token_endpoint":"${world.evil.origin}/token"`
    const text = JSON.stringify(metadata).slice(1, -1)
    for (const document of [`{${text},${evil}}`, `{"__proto__":{${evil}},${text}}`]) {
      world.as.script.metadata = document
      const authProvider = provider()
      await expect(connect(world.rs.resource, { authProvider })).rejects.toThrow('metadata')
    }
    expect(pages).toEqual([])
    expect(world.evil.seen).toEqual([])
  })

  test('a sign-in page without TLS, or elsewhere, is not opened', async () => {
    const authProvider = provider()
    const metadata = Object(world.as.script.metadata)
    const authorization_endpoint = 'http://pages.example/authorize'
    const openId = {
      jwks_uri: `${world.as.issuer}/jwks`,
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: ['ES256'],
    }
    world.as.script.metadata = { ...metadata, ...openId, authorization_endpoint }
    await expect(connect(world.rs.resource, { authProvider })).rejects.toThrow('not https')
    world.as.script.isOpenId = true
    await expect(connect(world.rs.resource, { authProvider })).rejects.toThrow('sign-in page')
    world.as.script.metadata = { ...metadata, ...openId }
    await begin(connect, authProvider).catch(() => undefined)
    const elsewhere = authProvider.redirectToAuthorization(new URL('https://pages.example/'))
    expect(await reasonOf(elsewhere)).toBe('foreign_page')
    expect(pages.map(({ pathname }) => pathname)).toEqual(['/authorize'])
  })

  test('renews with the client that the SDK has kept', async () => {
    const metadata = Object(world.as.script.metadata)
    world.as.script.metadata = { ...metadata, client_id_metadata_document_supported: true }
    const clientMetadataUrl = 'https://desktop.example/client.json'
    const authProvider = provider({ client: undefined, clientMetadataUrl })
    await signIn(authProvider)
    seconds += 280
    expect((await authProvider.tokens())?.access_token).toBe('token-2')
    expect(world.as.tokenRequests().at(-1)?.form.get('client_id')).toBe(clientMetadataUrl)
  })

  test('CLI-11: a refresh token of one server is not sent to another', async () => {
    const authProvider = provider()
    await signIn(authProvider)
    const before = world.as.tokenRequests().length
    world.rs.script.prm = { ...world.rs.script.prm, authorization_servers: [world.evil.origin] }
    world.rs.script.gate = () => unauthorized('Bearer')
    await expect(connect(world.rs.resource, { authProvider })).rejects.toThrow()
    const evil = world.evil.seen.map(({ url, body }) => url + body).join()
    expect(evil).not.toContain('refresh-')
    expect(world.as.tokenRequests()).toHaveLength(before)
  })
})

describe('an answer', () => {
  const asked = async () => {
    const authProvider = provider()
    return { authProvider, page: await begin(connectV1, authProvider) }
  }

  test('is taken once', async () => {
    const { authProvider, page } = await asked()
    expect((await authProvider.answer(callbackTo(page))).code).toBe('code-1')
    expect(await reasonOf(authProvider.answer(callbackTo(page)))).toBe('state_mismatch')
  })

  test('CLI-06: of another issuer is neither acted on nor shown', async () => {
    const { authProvider, page } = await asked()
    const state = page.searchParams.get('state') ?? ''
    const told = { error: 'access_denied', error_description: '<b>pay here</b>', state }
    for (const iss of ['https://evil.example', `${world.as.issuer}/`, undefined]) {
      const search = new URLSearchParams({ ...told, ...(iss !== undefined && { iss }) })
      const error: Error = await authProvider.answer(callbackTo(page, `${search}`)).catch((e) => e)
      expect(error).toMatchObject({ reason: 'issuer_mismatch' })
      expect(String(error.stack)).not.toContain('pay here')
    }
  })

  test('CLI-07: with a missing, wrong or repeated parameter leads to no token request', async () => {
    const { authProvider, page } = await asked()
    const search = (change: (params: URLSearchParams) => void): URL => {
      const url = callbackTo(page)
      change(url.searchParams)
      return url
    }
    const { state } = Object.fromEntries(page.searchParams)
    const wrong: [URL, string][] = [
      [search((params) => params.delete('state')), 'state_mismatch'],
      [search((params) => params.set('state', 'x')), 'state_mismatch'],
      [search((params) => params.append('state', state ?? '')), 'malformed_callback'],
      [search((params) => params.append('code', 'b')), 'malformed_callback'],
      [search((params) => params.append('iss', world.as.issuer)), 'malformed_callback'],
      [search((params) => params.append('error', 'access_denied')), 'malformed_callback'],
      [search((params) => params.delete('code')), 'malformed_callback'],
      [new URL(`http://127.0.0.1:6277/oauth/callback${callbackTo(page).search}`), 'wrong_callback'],
    ]
    for (const [url, reason] of wrong) expect(await reasonOf(authProvider.answer(url))).toBe(reason)
    expect(world.as.tokenRequests()).toEqual([])
    expect(await reasonOf(authProvider.answer(callbackTo(page)))).toBe('accepted')
  })

  test('that refuses says so in the words of its own server', async () => {
    const { authProvider, page } = await asked()
    const state = page.searchParams.get('state') ?? ''
    const told = { error: 'access_denied', error_description: 'She said no.', state }
    const search = `${new URLSearchParams({ ...told, iss: world.as.issuer })}`
    await expect(authProvider.answer(callbackTo(page, search))).rejects.toMatchObject({
      code: 'access_denied',
      description: 'She said no.',
    })
  })

  test('that is no address shows its code to nobody', async () => {
    const { authProvider, page } = await asked()
    const { pathname, search } = callbackTo(page)
    for (const address of [
      `${pathname}x${search}`,
      `http://[${search}`,
      `//evil.example${search}`,
    ]) {
      const error: unknown = await authProvider.answer(address).catch((reason) => reason)
      expect(error).toMatchObject({ reason: 'wrong_callback' })
      expect(inspect(error)).not.toContain('code-1')
    }
    // As a server on the redirect address finds it in a request.
    expect((await authProvider.answer(`${pathname}${search}`)).code).toBe('code-1')
  })

  test('to no question is refused', async () => {
    expect(await reasonOf(provider().answer(`${redirectUrl}?code=a&state=b`))).toBe('no_sign_in')
  })
})

describe('a refresh token', () => {
  const refreshes = () =>
    world.as
      .tokenRequests()
      .filter(({ form }) => form.get('grant_type') === 'refresh_token')
      .map(({ form }) => form.get('refresh_token'))

  /** What processes that share a lock file have. */
  const createLock = (): Lock => {
    let last: Promise<unknown> = Promise.resolve()
    return (_, run) => {
      const turn = last.then(run)
      last = turn.catch(() => undefined)
      return turn
    }
  }

  test('is used once, however many processes and calls need a token', async () => {
    const lock = createLock()
    await signIn(provider())
    seconds += 280
    const processes = [provider({ lock }), provider({ lock }), provider({ lock })]
    const tokens = await Promise.all(
      [...processes, ...processes].map((authProvider) => authProvider.tokens()),
    )
    expect(refreshes()).toHaveLength(1)
    expect(new Set(tokens.map((one) => one?.access_token))).toEqual(new Set(['token-2']))
    seconds += 280
    await processes[2]?.tokens()
    expect(new Set(refreshes()).size).toBe(2)
  })

  test('goes to the server that issued it, with the resource, and to nobody who asks', async () => {
    const authProvider = provider()
    await signIn(authProvider)
    expect(JSON.stringify(await authProvider.tokens())).not.toContain('refresh-')
    seconds += 280
    await authProvider.tokens()
    const { form } = world.as.tokenRequests().at(-1) ?? {}
    expect(form?.get('resource')).toBe(world.rs.resource)
    expect(form?.get('client_id')).toBe('desktop')
  })

  test('is taken nowhere by a redirect, and shown nowhere', async () => {
    const authProvider = provider()
    await signIn(authProvider)
    const location = `${world.evil.origin}/steal`
    world.as.script.token = () => ({ status: 307, headers: { location }, body: {} })
    seconds += 310
    const error: Error = await authProvider.tokens().then(
      () => new Error('renewed'),
      (reason) => reason,
    )
    expect(error).toMatchObject({ reason: 'unexpected_redirect' })
    expect(world.evil.seen).toEqual([])
    const shown = inspect([authProvider, error], { depth: 9, showHidden: true })
    expect(shown + JSON.stringify([authProvider, error])).not.toMatch(/refresh-\d|token-\d|code-1/)
  })

  test('takes no secret to another server than the client is registered at', async () => {
    await signIn(provider())
    const before = world.as.tokenRequests().length
    seconds += 280
    const moved = { client_id: 'desktop', client_secret: 'sekrit-of-the-new-server' }
    const configured = provider({ client: moved, expectedIssuer: 'https://new.example' })
    expect(await configured.tokens()).toBeUndefined()
    const registered = provider({ client: undefined, expectedIssuer: undefined })
    await registered.saveClientInformation({ ...moved, issuer: 'https://new.example' })
    expect((await registered.tokens())?.access_token).toBe('token-1')
    expect(world.as.tokenRequests()).toHaveLength(before)
  })

  test('brings nothing back that was forgotten meanwhile', async () => {
    const authProvider = provider()
    await signIn(authProvider)
    seconds += 280
    const { token } = world.as.script
    let forgetting: Promise<void> | undefined
    world.as.script.token = (form) => {
      forgetting = authProvider.invalidateCredentials('all')
      return token(form)
    }
    await authProvider.tokens()
    await forgetting
    expect([...kept.keys()]).toEqual([])
    expect(await authProvider.tokens()).toBeUndefined()
  })

  test('that is over sends the person to sign in again', async () => {
    const authProvider = provider()
    await signIn(authProvider)
    world.as.script.token = () => ({ status: 400, body: { error: 'invalid_grant' } })
    seconds += 280
    expect(await authProvider.tokens()).toBeUndefined()
    await begin(connectV1, authProvider)
    expect(pages).toHaveLength(2)
  })

  test('is kept while the server is away, and the token used as long as it lives', async () => {
    const authProvider = provider()
    await signIn(authProvider)
    const { token } = world.as.script
    world.as.script.token = () => ({ status: 503, body: {} })
    seconds += 280
    expect((await authProvider.tokens())?.access_token).toBe('token-1')
    seconds += 30
    await expect(authProvider.tokens()).rejects.toMatchObject({ code: 'temporarily_unavailable' })
    world.as.script.token = token
    expect((await authProvider.tokens())?.access_token).toMatch(/^token-/)
  })
})

test('options that could never work are refused at once', () => {
  expect(() => provider({ expectedIssuer: undefined })).toThrow(TypeError)
  expect(() => provider({ redirectUrl: 'http://desktop.example/callback' })).toThrow(TypeError)
  expect(() => provider({ resource: 'docs' })).toThrow(TypeError)
  expect(() => provider({ scope: 'a', maxScope: 'b' })).toThrow(TypeError)
})
