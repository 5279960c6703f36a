/** Tokens of whatever is measured, and whether they are what was asked for. */
import { createRemoteJWKSet, jwtVerify } from 'jose'
import { resource } from './servers.mjs'

export const resourceServer = 'docs-server'
const scope = 'docs:read docs:write'
export const exchangeType = 'urn:ietf:params:oauth:grant-type:token-exchange'
const accessToken = 'urn:ietf:params:oauth:token-type:access_token'

export const clientCredentials = (target) => ({
  grant_type: 'client_credentials',
  scope,
  ...target.target,
})

export const exchangeOf = (target, token) => ({
  grant_type: exchangeType,
  subject_token: token,
  subject_token_type: accessToken,
  scope,
  ...target.target,
})

/** @returns the body of the answer */
export const post = async ({ name, url, authorization }, path, clientId, fields) => {
  const response = await fetch(`${url}${path}`, {
    method: 'POST',
    headers: { authorization: authorization(clientId) },
    body: new URLSearchParams(fields),
  })
  const text = await response.text()
  if (!response.ok) throw new Error(`${name}: ${response.status} ${text}`)
  return JSON.parse(text)
}

export const requestToken = async (target, clientId, fields) =>
  (await post(target, target.paths.token, clientId, fields)).access_token

const checkThat = (target, fact, claims) => {
  if (!fact) throw new Error(`${target.name}: not the token asked for: ${JSON.stringify(claims)}`)
}

/** A signed token for the right audience with the scope asked for, or an error: nobody is measured at less. */
export const checkToken = async (target, token) => {
  const keys = createRemoteJWKSet(new URL(target.paths.jwks, target.url))
  const { payload } = await jwtVerify(token, keys, {
    audience: resource,
    typ: 'at+jwt',
    algorithms: ['ES256'],
    requiredClaims: ['iss', 'exp', 'iat', 'jti', 'client_id'],
  }).catch((error) => {
    throw new Error(`${target.name}: ${error.message}`)
  })
  checkThat(target, payload.scope === scope, payload)
  return payload
}

const actorsOf = (act) => (act ? [act.sub, ...actorsOf(act.act)] : [])

/** @param {string[]} actors who acts now, and who did before */
export const checkActors = async (target, token, actors) => {
  const claims = await checkToken(target, token)
  checkThat(target, actorsOf(claims.act).join() === actors.join(), claims)
}

const atATime = 20

/** @returns what `make(index)` gives, so many times, some at a time */
export const inTurns = async (count, make) => {
  const made = []
  while (made.length < count) {
    const next = Array.from({ length: Math.min(atATime, count - made.length) }, (_, index) =>
      make(made.length + index),
    )
    made.push(...(await Promise.all(next)))
  }
  return made
}
