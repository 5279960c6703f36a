/** Which pages and which picture of a client a person is shown. Pure. */
import { isWebPage } from '../registration/client-metadata.js'
import type { Client } from '../store/clients.js'

export interface ClientPages {
  logo: string | undefined
  home: string | undefined
  policy: string | undefined
  terms: string | undefined
}

const hostOf = (uri: string): string => new URL(uri).host

/**
 * Whoever registers itself can name anybody's logo (RFC 7591 §5). So its pages count only where an answer
 * goes there as well; those of a metadata document are from the host of the document already.
 */
const isItsOwn = ({ registered_by, redirect_uris }: Client, page: string): boolean =>
  registered_by !== 'dynamic' ||
  redirect_uris.some((uri) => uri.startsWith('https:') && hostOf(uri) === hostOf(page))

export const clientPages = (client: Client): ClientPages => {
  const shown = (page: string | undefined): string | undefined =>
    page !== undefined && isWebPage(page) && isItsOwn(client, page) ? page : undefined
  return {
    logo: shown(client.logo_uri),
    home: shown(client.client_uri),
    policy: shown(client.policy_uri),
    terms: shown(client.tos_uri),
  }
}

/** What the policy of the page has to let its picture come from. */
export const imagesOf = (client: Client): string[] => {
  const { logo } = clientPages(client)
  return logo === undefined ? [] : [new URL(logo).origin]
}
