/** An agent with an identity of its own, and an API that asks for it. */
import { createAgent } from '@behalf/client'

/** @param issuer the authorization server, exactly as it spells itself */
export const createResearcher = (issuer: string, clientSecret: string) => {
  const agent = createAgent({ issuer, clientId: 'researcher', clientSecret })

  return async (url: string): Promise<unknown> => {
    // Fetches a token for this API when it is first asked for one, keeps it, renews it.
    const response = await agent.fetch(url)
    if (!response.ok) throw new Error(`${url} answered ${response.status}`)
    return response.json()
  }
}
