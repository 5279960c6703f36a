/** Takes a token back, and with it the delegation it stands for. RFC 7009. */
import { OAuthError } from '@behalf/protocol'
import { postForm, type TokenEndpoint } from './token-endpoint.js'

export const revokeToken = async (endpoint: TokenEndpoint, token: string): Promise<void> => {
  const { revocation_endpoint: url } = await endpoint.discovery()
  if (url === undefined) {
    throw new OAuthError('server_error', {
      description: 'The authorization server has no revocation endpoint.',
      reason: 'revocation_not_supported',
    })
  }
  const form = [
    ['token', token],
    ['token_type_hint', 'access_token'],
  ] as const
  await postForm(url, form, endpoint.settings)
}
