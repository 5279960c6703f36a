/** What the server says to a caller without a token. */
import { isSecureUrl } from '@behalf/protocol'
import { tokenChallenge } from '../challenge.js'
import { type Check, failed, judge, passed, skipped } from '../check.js'
import { readObject } from '../http.js'
import { specs } from './specs.js'

const challengePresent: Check = {
  id: 'challenge-present',
  title: 'A 401 carries a WWW-Authenticate header with a challenge for access tokens.',
  level: 'must',
  spec: specs.challenge,
  fix: 'Answer 401 with "WWW-Authenticate: Bearer" and, in it, resource_metadata and scope.',
  run: async ({ unauthenticated }) => {
    const header = (await unauthenticated()).header('www-authenticate')
    if (header === undefined) return failed('no WWW-Authenticate header')
    return tokenChallenge(header) ? passed(header) : failed(`no Bearer challenge in: ${header}`)
  },
}

const resourceMetadataUrl: Check = {
  id: 'challenge-resource-metadata-absolute-url',
  title: 'The challenge names the metadata document by an absolute URL, and it is there.',
  level: 'must',
  spec: specs.resourceChallenge,
  fix: 'Put resource_metadata="https://…" into the challenge: the public URL of the RFC 9728 document.',
  run: async ({ challenge, get }) => {
    const url = (await challenge())?.parameters.get('resource_metadata')
    if (url === undefined) return failed('the challenge has no resource_metadata')
    if (!isSecureUrl(url)) return failed(`not an absolute https URL: ${url}`)
    const { status, text } = await get(url)
    if (status === 200 && readObject(text)) return passed(url)
    return failed(`${url} answers ${status}, and no JSON object`)
  },
}

const scopeInChallenge: Check = {
  id: 'challenge-scope',
  title: 'The challenge says which scopes to ask for.',
  level: 'should',
  spec: specs.scopeSelection,
  fix: 'Put scope="…" into the challenge. Clients ask for what stands there before anything else.',
  run: async ({ challenge }) => {
    const scope = (await challenge())?.parameters.get('scope')
    return scope ? passed(`scope="${scope}"`) : failed('the challenge has no scope')
  },
}

const noErrorWithoutToken: Check = {
  id: 'challenge-without-error',
  title: 'A request that brought no token is told of no error of a token.',
  level: 'should',
  spec: specs.bearerErrors,
  fix: 'Leave error and error_description out of the challenge when no token was sent.',
  run: async ({ challenge }) => {
    const error = (await challenge())?.parameters.get('error')
    return error === undefined ? passed('no error') : failed(`error="${error}"`)
  },
}

const errorWithBadToken: Check = {
  id: 'challenge-invalid-token',
  title: 'A bad token is answered with error="invalid_token" and the same resource_metadata.',
  level: 'should',
  spec: specs.bearerErrors,
  fix: 'Answer a bad token with 401 and error="invalid_token", beside resource_metadata and scope.',
  run: async ({ callBadly }) => {
    const answer = await callBadly('x')
    const parameters = tokenChallenge(answer.header('www-authenticate'))?.parameters
    const error = parameters?.get('error')
    return judge(
      [
        answer.status === 401 ? undefined : `status ${answer.status}`,
        error === 'invalid_token' ? undefined : `error="${error ?? ''}"`,
        parameters?.has('resource_metadata') ? undefined : 'no resource_metadata',
      ],
      'error="invalid_token", with resource_metadata',
    )
  },
}

const corsExposes: Check = {
  id: 'cors-exposes-www-authenticate',
  title: 'A web page that may call can read the challenge.',
  level: 'should',
  spec: specs.cors,
  fix: 'Where you answer with Access-Control-Allow-Origin, do so for a 401 too, and add "Access-Control-Expose-Headers: WWW-Authenticate".',
  run: async ({ call, origin }) => {
    const answer = await call({ headers: { origin } })
    const allowed = answer.header('access-control-allow-origin')
    if (allowed === undefined) {
      return skipped(`no CORS for ${origin}; name the origin of a page that may call`)
    }
    const exposed = (answer.header('access-control-expose-headers') ?? '').toLowerCase()
    const isExposed = exposed.split(',').some((one) => /^(www-authenticate|\*)$/.test(one.trim()))
    return isExposed ? passed(exposed) : failed(`Access-Control-Expose-Headers: ${exposed}`)
  },
}

export const challengeChecks: readonly Check[] = [
  challengePresent,
  resourceMetadataUrl,
  scopeInChallenge,
  noErrorWithoutToken,
  errorWithBadToken,
  corsExposes,
]
