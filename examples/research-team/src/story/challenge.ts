/** From a refusal to the place where tokens come from. RFC 9728 §5. */
import { discover } from '@behalf/client'
import { z } from 'zod'
import { callDocs } from './raw-call.js'
import type { Step } from './step.js'

/** RFC 9728 §2 */
const resourceMetadata = z.looseObject({
  resource: z.string(),
  authorization_servers: z.array(z.string()),
})

export const challenge: Step = {
  name: 'challenge',
  title: 'A stranger without a token is shown the way',
  proves: 'A client that knows only the URL of the tools finds out where tokens come from.',
  run: async ({ stage: { issuer, docs } }, tell) => {
    const answer = await callDocs(docs)
    tell.check('the docs server answers 401', answer.status, 401)
    const metadataUrl = answer.challenge.get('resource_metadata') ?? ''
    tell.fact('see', metadataUrl)
    const metadata = resourceMetadata.parse(await (await fetch(metadataUrl)).json())
    tell.check('its challenge leads to its metadata', metadata.resource, docs)
    tell.check('which names the authorization server', metadata.authorization_servers, [issuer])
    const server = await discover(issuer)
    tell.fact('then', server.token_endpoint)
    tell.check('which says where to get a token', server.token_endpoint, `${issuer}/token`)
    return `401, then ${metadataUrl}, then ${server.token_endpoint}`
  },
}
