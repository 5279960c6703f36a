/** What a client says about itself. RFC 7591 §2. Members that we do not know are ignored. */
import { cleanText, OAuthError, readScope } from '@behalf/protocol'
import { z } from 'zod'
import { parseDocumentUrl } from './metadata-document-url.js'
import {
  type ApplicationType,
  applicationTypeOf,
  applicationTypes,
  maxRedirectUris,
  misfit,
  redirectUriProblem,
} from './redirect-uri.js'

/** Grants that somebody who registers itself may have: a person decides in both. */
export const selfRegisteredGrantTypes = ['authorization_code', 'refresh_token'] as const

const maxItems = 20

/** A page or a picture for a browser. It is never fetched from here. */
export const isWebPage = (text: string): boolean => {
  if (!URL.canParse(text)) return false
  const { protocol, hostname, username, password } = new URL(text)
  if (protocol !== 'https:' || username !== '' || password !== '') return false
  // The same rules for a host as that of a document: a public name.
  return parseDocumentUrl(`https://${hostname}/a`) !== undefined
}

const webPage = cleanText(1000).refine(isWebPage, 'must be an https URL with a public host name')

const words = z.array(z.string().max(100)).max(maxItems)

/** Turns what is written behind a name around: on a page, those would be our words. Unicode UAX #9. */
const turnsText = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/

/** What others write and our pages show. */
export const shownText = (maxLength: number) =>
  cleanText(maxLength).refine((text) => !turnsText.test(text), 'must not turn text around')

/** How a client is called on a page. */
export const shownName = shownText(200)

/** Links and the picture on the page that asks a person. */
export const pageMembers = {
  client_uri: webPage.optional(),
  logo_uri: webPage.optional(),
  policy_uri: webPage.optional(),
  tos_uri: webPage.optional(),
}

/** Members for the eyes of people. */
export const displayMembers = {
  client_name: shownName.optional(),
  ...pageMembers,
  contacts: z.array(cleanText(200)).max(maxItems).optional(),
}

/** Of a stranger, a page that we would not show is left out: no reason to turn the client away. */
const shownPage = webPage.optional().catch(undefined)

const scopeText = z
  .string()
  .refine((text) => text === '' || readScope(text) !== undefined, 'must be words')

const metadataSchema = z.object({
  redirect_uris: z.array(z.string()).min(1).max(maxRedirectUris),
  token_endpoint_auth_method: z.string().max(100).optional(),
  grant_types: words.min(1).optional(),
  response_types: words.optional(),
  application_type: z.enum(applicationTypes).optional(),
  scope: scopeText.optional(),
  ...displayMembers,
  client_uri: shownPage,
  logo_uri: shownPage,
  policy_uri: shownPage,
  tos_uri: shownPage,
})

export type ClientMetadata = z.output<typeof metadataSchema>

export const invalidMetadata = (description: string, reason: string): OAuthError =>
  new OAuthError('invalid_client_metadata', { description, reason })

const invalidRedirectUri = (description: string): OAuthError =>
  new OAuthError('invalid_redirect_uri', {
    description,
    reason: 'unacceptable_redirect_uri',
    hint: 'Register https URIs, or http://127.0.0.1, http://[::1] or http://localhost for an app on the own machine.',
  })

/** RFC 7592 §2.2: a member that is null is one that is not there. */
const withoutNulls = (body: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(body).filter(([, value]) => value !== null))

/**
 * Reads the members, each of the right shape and bounded.
 *
 * @throws OAuthError `invalid_client_metadata`, `invalid_redirect_uri`
 */
export const parseClientMetadata = (body: Record<string, unknown>): ClientMetadata => {
  const result = metadataSchema.safeParse(withoutNulls(body))
  if (result.success) return result.data
  const issue = result.error.issues[0]
  const path = issue?.path.join('.') || 'body'
  const description = `${path}: ${issue?.message ?? 'is malformed'}.`
  throw path.startsWith('redirect_uris')
    ? invalidRedirectUri(description)
    : invalidMetadata(description, 'malformed_metadata_member')
}

/**
 * Every redirect URI must be one that may be registered, and fit the kind of application.
 *
 * @throws OAuthError `invalid_redirect_uri`
 */
export const checkRedirectUris = (
  uris: readonly string[],
  stated: ApplicationType | undefined,
): ApplicationType => {
  for (const [index, uri] of uris.entries()) {
    const problem = redirectUriProblem(uri)
    if (problem !== undefined) throw invalidRedirectUri(`redirect_uris[${index}] ${problem}.`)
  }
  const type = stated ?? applicationTypeOf(uris)
  if (misfit(type, uris) !== undefined) {
    throw invalidRedirectUri('A web application cannot have a redirect URI on loopback.')
  }
  return type
}
