/** Who gets in, and by which door. */
import { isSecureUrl } from '@behalf/protocol'
import { type Check, failed, judge, passed, skipped } from '../check.js'
import type { Answer } from '../http.js'
import { type Message, opening, rpcNotification, rpcRequest } from '../rpc.js'
import { specs } from './specs.js'

const isIn = ({ status }: Answer): boolean => status >= 200 && status < 300

const shown = ({ status, text }: Answer): string =>
  status === 0 ? `no answer (${text})` : `${status}`

const secureUrl: Check = {
  id: 'https',
  title: 'The server is reached by https, or is on this very machine.',
  level: 'must',
  spec: specs.communication,
  fix: 'Serve it by https. A token that travels in the clear is anybody’s.',
  run: async ({ url }) => (isSecureUrl(url) ? passed(url) : failed(url)),
}

const goodToken: Check = {
  id: 'good-token-200',
  title: 'A good token is let in. Without this the other checks would say little.',
  level: 'must',
  spec: specs.tokenHandling,
  fix: 'See that the server trusts this issuer, that its resource is the audience of the token, and that the token has the scopes that it asks for.',
  run: async ({ call, good, era }) => {
    const answer = await call({ token: await good() })
    return isIn(answer) ? passed(`${answer.status}, MCP ${await era()}`) : failed(shown(answer))
  },
}

const schemeCase: Check = {
  id: 'scheme-any-case',
  title: 'The name of the scheme is read in any case.',
  level: 'must',
  spec: specs.authentication,
  fix: 'Compare the scheme without regard to case: "bearer" is "Bearer".',
  run: async ({ call, good }) => {
    const answer = await call({ headers: { authorization: `bEARER ${await good()}` } })
    return isIn(answer) ? passed('bEARER is let in') : failed(`bEARER: ${shown(answer)}`)
  },
}

const messages: readonly [name: string, message: Message][] = [
  ['initialize', opening('2025-11-25')],
  ['tools/list', rpcRequest('2025-11-25', 'tools/list')],
  ['tools/call', rpcRequest('2025-11-25', 'tools/call', { name: 'x', arguments: {} })],
  ['ping', rpcRequest('2025-11-25', 'ping')],
  ['a notification', rpcNotification('2025-11-25', 'notifications/initialized')],
  ['tools/list of 2026-07-28', rpcRequest('2026-07-28', 'tools/list')],
  ['server/discover', rpcRequest('2026-07-28', 'server/discover')],
]

const batch = (message: Message): Message => ({ ...message, body: `[${message.body}]` })

const noToken: Check = {
  id: 'no-token-401',
  title: 'Every message without a token is answered 401.',
  level: 'must',
  spec: specs.errorHandling,
  fix: 'Put the guard before everything that reads the message, so that no method of MCP is free.',
  run: async ({ call }) => {
    const problems: string[] = []
    const all: typeof messages = [...messages, ['a batch', batch(opening('2025-11-25'))]]
    for (const [name, message] of all) {
      const answer = await call({ message })
      if (answer.status !== 401) problems.push(`${name}: ${shown(answer)}`)
    }
    return judge(problems, `401 for ${all.length} messages`)
  },
}

const methods = ['GET', 'DELETE', 'PUT', 'PATCH', 'HEAD'] as const

const everyMethod: Check = {
  id: 'every-method-guarded',
  title: 'Every HTTP method asks for a token, or is not there.',
  level: 'must',
  spec: specs.tokenRequirements,
  fix: 'Guard the path, not the POST: the streams of GET and the DELETE of a session are requests too.',
  run: async ({ call }) => {
    const headers = { 'mcp-session-id': 'x' }
    const seen: string[] = []
    const problems: string[] = []
    for (const method of methods) {
      const answer = await call({ method, headers, headersOnly: true })
      seen.push(`${method} ${shown(answer)}`)
      if (![401, 404, 405, 501].includes(answer.status))
        problems.push(`${method}: ${shown(answer)}`)
    }
    return judge(problems, seen.join(', '))
  },
}

const malformedHeaders: readonly string[] = [
  'Bearer',
  'Bearer ',
  'Bearer  a b',
  'bearer,',
  'Bearer x',
  'Bearer ..',
  'Bearer a.b.c',
  'Bearer é',
  'Basic eDp4',
  'x',
]

const malformed: Check = {
  id: 'malformed-401',
  title: 'A header that holds no token is answered 401, or 400.',
  level: 'must',
  spec: specs.errorHandling,
  fix: 'Take "Bearer", spaces and one b64token, and refuse everything else with 401. Never let a parser throw into the 500 of the framework.',
  run: async ({ call }) => {
    const problems: string[] = []
    for (const authorization of malformedHeaders) {
      // Bytes beyond ASCII are sent as Latin-1, as Node and browsers do.
      const answer = await call({ headers: { authorization } })
      if (answer.status !== 401 && answer.status !== 400) {
        problems.push(`"${authorization}": ${shown(answer)}`)
      }
    }
    return judge(problems, `401 or 400 for ${malformedHeaders.length} of them`)
  },
}

/** Before or behind an HTTP server's own bound, which is 16 KiB in Node. */
const largeSizes = [12_000, 100_000] as const

const tooLarge: Check = {
  id: 'header-too-large',
  title: 'A token beyond all measure is refused, by a status or by closing the connection.',
  level: 'advised',
  spec: specs.tokenHandling,
  fix: 'Bound the length of a token before decoding it, and answer 401.',
  run: async ({ call }) => {
    const seen: string[] = []
    const problems: string[] = []
    for (const size of largeSizes) {
      const answer = await call({ token: 'A'.repeat(size) })
      seen.push(`${size} characters: ${shown(answer)}`)
      const isRefused = [0, 400, 401, 413, 431].includes(answer.status)
      if (!isRefused) problems.push(`${size} characters: ${shown(answer)}`)
    }
    return judge(problems, seen.join(', '))
  },
}

const twoHeaders: Check = {
  id: 'two-authorization-headers',
  title: 'A request with two Authorization headers is refused.',
  level: 'advised',
  spec: specs.headerSyntax,
  fix: 'Refuse the request: a proxy in front may have checked the other one. Node drops the second in silence, unless the server is made with joinDuplicateHeaders, or you look at headersDistinct.',
  run: async ({ call, good, hasSocket }) => {
    if (!hasSocket) return skipped('needs a connection of its own: leave fetch out')
    const [one, other] = [`Bearer ${await good()}`, 'Bearer x']
    const problems: string[] = []
    for (const authorization of [
      [one, other],
      [other, one],
      [one, one],
    ]) {
      const answer = await call({ headers: { authorization } })
      if (answer.status !== 401 && answer.status !== 400) {
        const which = authorization.map((value) => (value === one ? 'good' : 'bad')).join(' and ')
        problems.push(`${which}: ${shown(answer)}`)
      }
    }
    return judge(problems, 'refused in either order')
  },
}

const queryToken: Check = {
  id: 'query-token-401',
  title: 'A token in the URL, in a form or in a cookie is not read.',
  level: 'must',
  spec: specs.bearerQuery,
  fix: 'Read the token from the Authorization header alone. URLs end in logs and in histories.',
  run: async ({ call, good, url }) => {
    const token = await good()
    const named = new URL(url)
    named.searchParams.set('access_token', token)
    const form = { 'content-type': 'application/x-www-form-urlencoded' }
    const answers: [string, Answer, number[]][] = [
      ['query', await call({ url: named.href }), [401]],
      ['form', await call({ headers: form, body: `access_token=${token}` }), [401, 400, 415]],
      ['cookie', await call({ headers: { cookie: `access_token=${token}` } }), [401]],
    ]
    const wrong = answers.filter(([, { status }, right]) => !right.includes(status))
    return judge(
      wrong.map(([place, answer]) => `${place}: ${shown(answer)}`),
      'not read',
    )
  },
}

const originChecked: Check = {
  id: 'origin-403',
  title: 'A web page of an origin that may not call gets a 403, whatever its token.',
  level: 'must',
  spec: specs.transport,
  fix: 'Compare Origin, where there is one, to a list, and answer 403. CORS headers alone stop nobody from sending.',
  run: async ({ call, good }) => {
    const token = await good()
    const problems: string[] = []
    for (const origin of ['https://evil.example', 'null']) {
      const answer = await call({ token, headers: { origin } })
      if (answer.status !== 403) problems.push(`${origin}: ${shown(answer)}`)
    }
    return judge(problems, '403')
  },
}

const hostChecked: Check = {
  id: 'host-checked',
  title: 'A request that names another host is refused.',
  level: 'advised',
  spec: specs.transport,
  fix: 'Compare Host to the names of this server, above all on loopback: DNS rebinding gives a page of another site your address.',
  run: async ({ call, good, hasSocket }) => {
    if (!hasSocket) return skipped('needs a connection of its own: leave fetch out')
    const answer = await call({ token: await good(), headers: { host: 'evil.example' } })
    return isIn(answer)
      ? failed(`Host: evil.example is answered ${answer.status}`)
      : passed(shown(answer))
  },
}

export const requestChecks: readonly Check[] = [
  secureUrl,
  goodToken,
  schemeCase,
  noToken,
  everyMethod,
  malformed,
  tooLarge,
  twoHeaders,
  queryToken,
  originChecked,
  hostChecked,
]
