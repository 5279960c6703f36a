/** A person with a browser, for the scenarios that sign somebody in: the SDK's own flow. */
const redirectUrl = 'http://localhost:3000/callback'

const createProvider = (registered) => {
  const kept = new Map()
  let callback
  const provider = {
    redirectUrl,
    clientMetadata: {
      client_name: 'judged',
      redirect_uris: [redirectUrl],
      grant_types: ['authorization_code', 'refresh_token'],
    },
    clientMetadataUrl: 'https://conformance-test.local/client-metadata.json',
    clientInformation: ({ issuer } = {}) => kept.get(`client ${issuer}`) ?? registered,
    saveClientInformation: (client, { issuer } = {}) => void kept.set(`client ${issuer}`, client),
    tokens: () => kept.get('tokens'),
    saveTokens: (tokens) => {
      kept.set('tokens', tokens)
      // The next time somebody has to sign in, the server may have moved.
      kept.delete('discovery')
    },
    codeVerifier: () => kept.get('verifier'),
    saveCodeVerifier: (verifier) => void kept.set('verifier', verifier),
    discoveryState: () => kept.get('discovery'),
    saveDiscoveryState: (state) => void kept.set('discovery', state),
    invalidateCredentials: () => void kept.clear(),
    redirectToAuthorization: async (url) => {
      const response = await fetch(url, { redirect: 'manual' })
      callback = new URL(response.headers.get('location'))
    },
  }
  return { provider, callback: () => callback }
}

export const createPerson = ({ client_id, client_secret }) => {
  const registered = client_id && { client_id, client_secret }
  const { provider, callback } = createProvider(registered)
  return {
    provider,
    finish: (transport) => transport.finishAuth(callback().searchParams),
  }
}
