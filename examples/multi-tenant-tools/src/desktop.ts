/** An application through which people work. It has no secret, so PKCE is all it has. RFC 7636. */

import { createHash, randomBytes } from 'node:crypto'
import { discover } from '@behalf/client'
import type { Person } from '@behalf/example-stage'

const redirectUri = 'http://127.0.0.1:6276/callback'

export interface SignIn {
  issuer: string
  resource: string
  scope: string
}

/** @returns a token that says who the person is, and in which organization */
export const signIn = async (
  { issuer, resource, scope }: SignIn,
  person: Person,
): Promise<string> => {
  const metadata = await discover(issuer)
  const verifier = randomBytes(32).toString('base64url')
  const url = new URL(metadata.authorization_endpoint ?? '')
  url.search = new URLSearchParams({
    response_type: 'code',
    client_id: 'desktop',
    redirect_uri: redirectUri,
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
    resource,
    scope,
  }).toString()
  const { searchParams: answer } = await person(url)
  // RFC 9207: an answer of another issuer is none.
  if (answer.get('iss') !== issuer) throw new Error('The answer is of another issuer.')
  const response = await fetch(metadata.token_endpoint, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'authorization_code',
      client_id: 'desktop',
      code: answer.get('code') ?? '',
      code_verifier: verifier,
      redirect_uri: redirectUri,
    }),
  })
  const { access_token: token, error } = await response.json()
  if (typeof token !== 'string') throw new Error(`The token endpoint answered ${error}.`)
  return token
}
