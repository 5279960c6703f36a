/** Reads a Client ID Metadata Document and makes a client of it. Client ID Metadata Document §4. */
import { isOAuthError, OAuthError, parseJsonObject } from '@behalf/protocol'
import {
  type ClientMetadata,
  checkRedirectUris,
  parseClientMetadata,
  selfRegisteredGrantTypes,
} from './client-metadata.js'
import { DocumentFailure } from './metadata-document-fetch.js'
import type { ApplicationType } from './redirect-uri.js'

export interface DocumentClient extends ClientMetadata {
  grant_types: string[]
  application_type: ApplicationType
}

/** Only for a document that has proved to be about this client: before that, one answer fits all. */
const refuse = (description: string, reason: string): OAuthError =>
  new OAuthError('invalid_client', {
    status: 400,
    description: `The metadata document of the client: ${description}`,
    reason,
  })

const textOf = (value: unknown): string[] => {
  const values = Array.isArray(value) ? value : [value]
  return values.filter((one): one is string => typeof one === 'string')
}

/**
 * Client ID Metadata Document §4.1: no shared secrets, since everyone can read the document. Keys are
 * not supported yet. A document may name the methods one by one or as a list.
 */
const checkAuthMethod = (document: Record<string, unknown>): void => {
  const secrets = ['client_secret', 'client_secret_expires_at']
  if (secrets.some((name) => Object.hasOwn(document, name))) {
    throw refuse('it must not hold a secret.', 'metadata_document_secret')
  }
  const { token_endpoint_auth_method: one, token_endpoint_auth_methods_supported: list } = document
  const stated = [...textOf(one), ...textOf(list)]
  if (stated.length === 0 || stated.includes('none')) return
  throw refuse(
    'token_endpoint_auth_method must be "none"; others are not supported.',
    'auth_method_not_supported',
  )
}

/** A document speaks to every server there is: what it lists beyond our grants is for others. */
const grantTypesOf = ({ grant_types: stated, response_types }: ClientMetadata): string[] => {
  const grants = selfRegisteredGrantTypes.filter((one) => stated?.includes(one) ?? true)
  if (grants.includes('authorization_code') && (response_types?.includes('code') ?? true)) {
    return grants
  }
  throw refuse('it does not use the authorization code grant.', 'unacceptable_metadata_document')
}

/** Shown to people beside the client's host, so they must be from there. */
const ownPages = (url: URL, metadata: ClientMetadata): ClientMetadata => {
  const own = (page: string | undefined) =>
    page !== undefined && new URL(page).host === url.host ? page : undefined
  return {
    ...metadata,
    client_uri: own(metadata.client_uri),
    logo_uri: own(metadata.logo_uri),
    policy_uri: own(metadata.policy_uri),
    tos_uri: own(metadata.tos_uri),
  }
}

const readObject = (bytes: Uint8Array): Record<string, unknown> => {
  try {
    return parseJsonObject(bytes)
  } catch {
    throw new DocumentFailure('the answer is not a JSON object', true)
  }
}

const readMetadata = (document: Record<string, unknown>): [ClientMetadata, ApplicationType] => {
  try {
    const metadata = parseClientMetadata(document)
    return [metadata, checkRedirectUris(metadata.redirect_uris, metadata.application_type)]
  } catch (error) {
    if (!isOAuthError(error)) throw error
    throw refuse(error.description ?? 'is malformed.', 'unacceptable_metadata_document')
  }
}

/**
 * @throws DocumentFailure for what is no document about this client
 * @throws OAuthError `invalid_client` for one that we cannot work with
 */
export const parseMetadataDocument = (url: URL, bytes: Uint8Array): DocumentClient => {
  const document = readObject(bytes)
  // §4: the value MUST match the URL of the document using simple string comparison.
  if (document.client_id !== url.href) {
    throw new DocumentFailure('its client_id is another one', true)
  }
  checkAuthMethod(document)
  const [metadata, application_type] = readMetadata(document)
  if (metadata.client_name === undefined) {
    throw refuse('client_name is missing.', 'unacceptable_metadata_document')
  }
  const grant_types = grantTypesOf(metadata)
  return { ...ownPages(url, metadata), grant_types, application_type }
}
