/** A person with a browser that follows whatever it is shown, for the scenarios that sign somebody in. */
import { personAuthProvider } from '@behalf/mcp/client'

export const createPerson = ({ resource, issuer, client_id, client_secret }) => {
  const kept = new Map()
  let callback
  const registered = client_id && { client: { client_id, client_secret }, expectedIssuer: issuer }
  const provider = personAuthProvider({
    resource,
    redirectUrl: 'http://localhost:3000/callback',
    clientMetadataUrl: 'https://conformance-test.local/client-metadata.json',
    storage: {
      get: (name) => kept.get(name),
      set: (name, text) => {
        if (text === undefined) kept.delete(name)
        else kept.set(name, text)
      },
    },
    open: async (url) => {
      const response = await fetch(url, { redirect: 'manual' })
      callback = response.headers.get('location')
    },
    ...registered,
  })
  return {
    provider,
    finish: async (transport) => transport.finishAuth((await provider.answer(callback)).params),
  }
}
