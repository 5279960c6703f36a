/**
 * @jmondi/oauth2-server on express, with a row for each token in PostgreSQL. Its own JwtService signs
 * HS256, so this one has other options for the same library. Token exchange is built in: what is done with the
 * subject token is ours.
 */
import { generateKeyPairSync } from 'node:crypto'
import { promisify } from 'node:util'
import { AuthorizationServer, DateInterval } from '@jmondi/oauth2-server'
import {
  handleExpressError,
  handleExpressResponse,
  requestFromExpress,
} from '@jmondi/oauth2-server/express'
import express from 'express'
import jsonwebtoken from 'jsonwebtoken'
import { repositoriesOn } from './jmondi-storage.mjs'

const { BENCH_RESOURCE, DATABASE_URL, PORT } = process.env
const issuer = `http://127.0.0.1:${PORT}`
const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const header = { alg: 'ES256', typ: 'at+jwt', kid: 'jmondi' }
const exchangeType = 'urn:ietf:params:oauth:grant-type:token-exchange'
const signing = { algorithm: 'ES256', header }
const checking = { algorithms: ['ES256'], issuer, audience: BENCH_RESOURCE }
const sign = promisify(jsonwebtoken.sign)
const verify = promisify(jsonwebtoken.verify)

const jwt = {
  sign: (payload) => sign(payload, privateKey, signing),
  verify: (token, options) => verify(token, publicKey, { ...options, ...checking }),
  decode: (token) => jsonwebtoken.decode(token),
  extraTokenFields: ({ user, client }) => ({
    client_id: client.id,
    ...(user && { act: { sub: client.id, ...(user.act && { act: user.act }) } }),
  }),
}

const { clients, tokens, scopes } = repositoriesOn(DATABASE_URL)
const server = new AuthorizationServer(clients, tokens, scopes, jwt, { issuer })
const lifetime = new DateInterval('15m')
server.enableGrantType('client_credentials', lifetime)
const processTokenExchange = async ({ subjectToken }) => {
  const { sub, client_id, act } = await jwt.verify(subjectToken)
  // Its own tokens of machines have no `sub`.
  return { id: sub ?? client_id, act }
}
server.enableGrantType({ grant: exchangeType, processTokenExchange }, lifetime)

const answerWith = (respond) => async (request, response) => {
  try {
    handleExpressResponse(response, await respond(requestFromExpress(request)))
  } catch (error) {
    handleExpressError(error, response)
  }
}

const app = express()
app.use(express.urlencoded({ extended: false }))
app.post(
  '/token',
  answerWith((request) => server.respondToAccessTokenRequest(request)),
)
app.post(
  '/introspect',
  answerWith((request) => server.introspect(request)),
)
app.get('/jwks', (_request, response) => {
  response.json({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid: header.kid }] })
})
app.listen(PORT, '127.0.0.1', () => process.stdout.write(`listening on ${issuer}\n`))
process.once('SIGTERM', () => process.exit(0))
