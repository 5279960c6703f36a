/** The clients as oidc-provider has them, in its configuration or in its storage. */
const grantTypes = ['client_credentials', 'urn:ietf:params:oauth:grant-type:token-exchange']

/** @param {string} ids separated by spaces */
export const oidcClients = (ids, secret) =>
  ids.split(' ').map((client_id) => ({
    client_id,
    client_secret: secret,
    grant_types: grantTypes,
    redirect_uris: [],
    response_types: [],
    token_endpoint_auth_method: 'client_secret_basic',
  }))
