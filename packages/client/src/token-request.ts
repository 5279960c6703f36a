/** Token requests for libraries that post them themselves, such as the SDKs of MCP. */
import { hide } from './hidden.js'
import { authenticate, type Form, readForm, type TokenEndpoint } from './token-endpoint.js'

/**
 * A token request with the client's authentication, to be posted once. What it carries is for this
 * URL and no other. `form` and `headers` are in no log.
 */
export interface TokenRequest {
  /** The token endpoint, from metadata that was held to the issuer. */
  readonly url: string
  readonly form: URLSearchParams
  readonly headers: Readonly<Record<string, string>>
}

export const createTokenRequest = async (
  { discovery, settings }: TokenEndpoint,
  form: Form,
): Promise<TokenRequest> => {
  const { token_endpoint: url } = await discovery()
  const request = await authenticate(readForm(form), settings)
  return hide({ url, ...request }, 'form', 'headers')
}
