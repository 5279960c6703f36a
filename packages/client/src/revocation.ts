/** Takes a token back, and with it the delegation it stands for. RFC 7009. */
import { requireEndpoint } from './server-api.js'
import { postForm, type TokenEndpoint } from './token-endpoint.js'

export const revokeToken = async (endpoint: TokenEndpoint, token: string): Promise<void> => {
  const { revocation_endpoint } = await endpoint.discovery()
  const what = 'revocation endpoint'
  const url = requireEndpoint(revocation_endpoint, what, 'revocation_not_supported')
  const form = [
    ['token', token],
    ['token_type_hint', 'access_token'],
  ] as const
  await postForm(url, form, endpoint.settings)
}
