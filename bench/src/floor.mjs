/**
 * The floor: the least that a token endpoint can do. node:http, a form, a SHA-256 secret check against
 * a client in memory, one ES256 signature (DER, converted), JSON out. No storage, no framework.
 */
import { createHash, generateKeyPairSync, randomUUID, sign, timingSafeEqual } from 'node:crypto'
import { createServer } from 'node:http'

const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const hash = (secret) => createHash('sha256').update(secret).digest()
const clients = new Map([
  ['bench', { secret: hash(process.env.BENCH_SECRET), scope: ['docs:read', 'docs:write'] }],
])
const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url')
const header = encode({ alg: 'ES256', typ: 'at+jwt', kid: 'floor' })

const toRaw = (der) => {
  const raw = Buffer.alloc(64)
  let at = 2
  for (const end of [32, 64]) {
    const stop = at + 2 + der[at + 1]
    const start = der[at + 2] === 0 ? at + 3 : at + 2
    der.copy(raw, end - (stop - start), start, stop)
    at = stop
  }
  return raw
}

const signToken = (scope, resource) => {
  const iat = Math.floor(Date.now() / 1000)
  const claims = {
    iss: 'http://127.0.0.1',
    sub: 'bench',
    client_id: 'bench',
    aud: resource,
    scope,
    iat,
    exp: iat + 900,
    jti: randomUUID(),
  }
  const input = `${header}.${encode(claims)}`
  return `${input}.${toRaw(sign('sha256', Buffer.from(input), privateKey)).toString('base64url')}`
}

const answer = (authorization, body) => {
  const [id, secret] = Buffer.from(authorization.slice(6), 'base64').toString().split(':')
  const client = clients.get(decodeURIComponent(id))
  if (!client || !timingSafeEqual(hash(decodeURIComponent(secret)), client.secret)) return undefined
  const form = new URLSearchParams(body)
  const scope = form
    .get('scope')
    .split(' ')
    .filter((word) => client.scope.includes(word))
    .join(' ')
  const access_token = signToken(scope, form.get('resource'))
  return { access_token, token_type: 'Bearer', expires_in: 900, scope }
}

const server = createServer((request, response) => {
  let body = ''
  request.setEncoding('utf8')
  request.on('data', (chunk) => {
    body += chunk
  })
  request.on('end', () => {
    const json = JSON.stringify(answer(request.headers.authorization, body))
    response.writeHead(200, { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' })
    response.end(json)
  })
})
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`listening on http://127.0.0.1:${server.address().port}\n`)
})
