/**
 * The floor: the least that an authorization server can do. node:http, a form, a SHA-256 secret check
 * against clients in memory, one ES256 signature, JSON out. With DATABASE_URL a durable row for each
 * token as well, and introspection. No framework, and no rule is looked at.
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import { createServer } from 'node:http'
import { openRows } from './floor-rows.mjs'
import { jwks, signToken, verifyToken } from './floor-tokens.mjs'

const { BENCH_SECRET, BENCH_CLIENTS, DATABASE_URL } = process.env

const hash = (secret) => createHash('sha256').update(secret).digest()
const client = { secret: hash(BENCH_SECRET), scope: ['docs:read', 'docs:write'] }
const clients = new Map(BENCH_CLIENTS.split(' ').map((id) => [id, client]))
const rows = DATABASE_URL ? await openRows(DATABASE_URL) : undefined
const issuer = 'http://127.0.0.1'

const authenticate = (authorization) => {
  const [id, secret] = Buffer.from(authorization.slice(6), 'base64').toString().split(':')
  const clientId = decodeURIComponent(id)
  const known = clients.get(clientId)
  if (!known || !timingSafeEqual(hash(decodeURIComponent(secret)), known.secret)) return undefined
  return clientId
}

const intersect = (asked, allowed) =>
  asked
    .split(' ')
    .filter((word) => allowed.includes(word))
    .join(' ')

const claimsOf = (clientId, form) => {
  const common = { issuer, client_id: clientId, aud: form.get('resource') }
  const subjectToken = form.get('subject_token')
  if (subjectToken === null) {
    return { ...common, sub: clientId, scope: intersect(form.get('scope'), client.scope) }
  }
  const subject = verifyToken(subjectToken)
  if (!subject) return undefined
  const act = { sub: clientId, client_id: clientId, ...(subject.act && { act: subject.act }) }
  const scope = intersect(form.get('scope'), subject.scope.split(' '))
  return { ...common, sub: subject.sub, scope, act }
}

const issue = async (clientId, form) => {
  const claims = claimsOf(clientId, form)
  if (!claims) return undefined
  const { payload, token } = signToken(claims)
  await rows?.record(payload)
  return { access_token: token, token_type: 'Bearer', expires_in: 900, scope: claims.scope }
}

const introspect = async (_clientId, form) => {
  const claims = verifyToken(form.get('token'))
  if (!claims || !(await rows.isAlive(claims.jti))) return { active: false }
  return { active: true, token_type: 'Bearer', ...claims }
}

const posts = new Map([
  ['/token', issue],
  ['/introspect', introspect],
])

const answer = async (request, body) => {
  if (request.url === '/jwks') return jwks
  const clientId = authenticate(request.headers.authorization)
  return clientId && posts.get(request.url)(clientId, new URLSearchParams(body))
}

const server = createServer((request, response) => {
  let body = ''
  request.setEncoding('utf8')
  request.on('data', (chunk) => {
    body += chunk
  })
  request.on('end', async () => {
    const json = await answer(request, body)
    response.writeHead(json ? 200 : 400, {
      'Content-Type': 'application/json',
      'Cache-Control': 'no-store',
    })
    response.end(JSON.stringify(json ?? { error: 'invalid_request' }))
  })
})
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`listening on http://127.0.0.1:${server.address().port}\n`)
})
process.once('SIGTERM', () => process.exit(0))
