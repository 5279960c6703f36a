/** How an agent says who it is: with its secret, or with an assertion. RFC 6749 §2.3, RFC 7523. */
import { basicAuthorization, OAuthError } from '@behalf/protocol'
import { createAssertions, type SignAssertion } from './client-assertion.js'
import type { AgentOptions } from './settings.js'

/** A form that is about to be posted. */
export interface FormRequest {
  readonly form: URLSearchParams
  readonly headers: Record<string, string>
}

export interface ClientAuthentication {
  /** Adds what proves who asks. */
  form(request: FormRequest): Promise<void>
  /** The `Authorization` of a request without a form. */
  basic(): string
  /** What no error may say again. */
  readonly secrets: readonly string[]
}

type Known = Pick<AgentOptions, 'authMethod'> & {
  clientId: string
  issuer: string
  now: () => number
}

const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

const noSecret = (): OAuthError =>
  new OAuthError('unauthorized_client', {
    description: 'This agent has a key and no secret, and this endpoint takes secrets only.',
    reason: 'client_secret_needed',
    hint: 'Give the agent a clientSecret for budgets and delegations.',
  })

export const withSecret = (
  { clientId, authMethod }: Pick<Known, 'clientId' | 'authMethod'>,
  clientSecret: string,
): ClientAuthentication => ({
  form: async ({ form, headers }) => {
    if (authMethod !== 'client_secret_post') {
      headers.authorization = basicAuthorization(clientId, clientSecret)
      return
    }
    form.append('client_id', clientId)
    form.append('client_secret', clientSecret)
  },
  basic: () => basicAuthorization(clientId, clientSecret),
  secrets: [clientSecret],
})

/** A public client: its name, and nothing that proves it. RFC 6749 §3.2.1. */
export const withoutSecret = (clientId: string): ClientAuthentication => ({
  form: async ({ form }) => form.append('client_id', clientId),
  basic: () => {
    throw noSecret()
  },
  secrets: [],
})

const withAssertions = ({ clientId }: Known, sign: SignAssertion): ClientAuthentication => ({
  form: async ({ form }) => {
    form.append('client_id', clientId)
    form.append('client_assertion_type', assertionType)
    form.append('client_assertion', await sign())
  },
  basic: () => {
    throw noSecret()
  },
  secrets: [],
})

/** @throws TypeError unless there is a secret or a key, and only one of them */
export const createClientAuthentication = (
  options: Pick<AgentOptions, 'clientSecret' | 'clientKey'>,
  known: Known,
): ClientAuthentication => {
  const { clientSecret, clientKey } = options
  if (clientKey === undefined) {
    if (typeof clientSecret === 'string' && clientSecret !== '') {
      return withSecret(known, clientSecret)
    }
    throw new TypeError('createAgent: clientSecret is missing.')
  }
  if (clientSecret !== undefined || known.authMethod !== undefined) {
    throw new TypeError('createAgent: clientKey goes without clientSecret and authMethod.')
  }
  const { clientId, issuer: audience, now } = known
  return withAssertions(known, createAssertions(clientKey, { clientId, audience, now }))
}
