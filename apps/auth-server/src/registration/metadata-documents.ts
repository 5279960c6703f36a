/**
 * Clients that are known by a document at their own URL: read when they are met, believed for as long as
 * its HTTP headers say, and kept in a row that all processes share.
 */
import { isOAuthError, OAuthError } from '@behalf/protocol'
import type { Deps } from '../deps.js'
import type { OpenCounter } from '../rate-limits/counters.js'
import type { Client, NewClient } from '../store/clients.js'
import { type DocumentClient, parseMetadataDocument } from './metadata-document.js'
import { DocumentFailure, fetchDocument } from './metadata-document-fetch.js'
import { freshSeconds } from './metadata-document-freshness.js'
import { createFailures, createGate } from './metadata-document-gate.js'
import type { DocumentNetwork } from './metadata-document-network.js'
import { hostMatches, parseDocumentUrl } from './metadata-document-url.js'
import type { DocumentSettings } from './settings.js'

/** A document that cannot be read any more is still good for tokens for so long. */
const staleSeconds = 7 * 86_400
export interface FindOptions {
  /** Go on with what was read earlier when the document is away: for tokens, never for a consent. */
  allowStale: boolean
}

export interface MetadataDocuments {
  find: (
    id: string,
    known: Client | undefined,
    options: FindOptions,
    deps: Deps,
  ) => Promise<Client | undefined>
}

/** One answer for every way in which there is no document: nobody learns what is open where. */
const unavailable = (cause?: unknown): OAuthError =>
  new OAuthError('invalid_client', {
    status: 400,
    description: 'No usable metadata document is at this client_id.',
    reason: 'metadata_document_unavailable',
    hint: 'It must answer 200 with JSON of 5 KiB at most, without a redirect, whose client_id is this very URL.',
    cause,
  })

const refuseUrl = (description: string, reason: string): OAuthError =>
  new OAuthError('invalid_client', { status: 400, description, reason })

const checkedUrl = (id: string, { allowedHosts }: DocumentSettings): URL => {
  const url = parseDocumentUrl(id)
  if (!url) {
    throw refuseUrl(
      'A client_id that is a URL must be https, with a host name and a path, in canonical spelling.',
      'malformed_client_id_url',
    )
  }
  if (allowedHosts && !allowedHosts.some((pattern) => hostMatches(pattern, url.host))) {
    throw refuseUrl('Clients of this host are not accepted here.', 'client_host_not_allowed')
  }
  return url
}

const rowOf = (
  url: URL,
  document: DocumentClient,
  { scope, resources, tenantId }: DocumentSettings,
): NewClient => {
  const requested = document.scope === undefined ? undefined : document.scope.split(' ')
  return {
    clientId: url.href,
    registeredBy: 'metadata_document',
    kind: 'app',
    tenantId: tenantId ?? null,
    clientName: document.client_name ?? null,
    clientSecretHash: null,
    tokenEndpointAuthMethod: 'none',
    grantTypes: document.grant_types,
    redirectUris: document.redirect_uris,
    requestedScope: requested ?? null,
    scope: scope.filter((word) => requested?.includes(word) ?? true),
    resources: [...resources],
    agentLimits: {},
    applicationType: document.application_type,
    clientUri: document.client_uri ?? null,
    logoUri: document.logo_uri ?? null,
    policyUri: document.policy_uri ?? null,
    tosUri: document.tos_uri ?? null,
    contacts: document.contacts ?? null,
  }
}

const pause = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, Math.max(0, milliseconds)))

/**
 * Whatever goes wrong on the way to a document takes as long as the slowest: the time would tell an
 * open port from a closed one.
 */
const evenly = async <T>(limitMs: number, read: () => Promise<T>): Promise<T> => {
  const startedAt = performance.now()
  try {
    return await read()
  } catch (error) {
    if (error instanceof DocumentFailure) await pause(startedAt + limitMs - performance.now())
    throw error
  }
}

/** Nobody has said anything about the document: not its host, and not we. */
const isAway = (error: unknown): boolean =>
  error instanceof DocumentFailure
    ? !error.isAnswer
    : isOAuthError(error) && error.code === 'temporarily_unavailable'

const wireError = (error: unknown): unknown =>
  error instanceof DocumentFailure ? unavailable(error) : error

const isFresh = ({ document_expires_at: end }: Client, now: Date): boolean =>
  end !== undefined && end > now

const isUsable = ({ document_fetched_at: at }: Client, now: Date): boolean =>
  at !== undefined && now.getTime() - at.getTime() < staleSeconds * 1000

export const createMetadataDocuments = (
  settings: DocumentSettings,
  network: DocumentNetwork,
  open: OpenCounter,
): MetadataDocuments => {
  const gate = createGate(open)
  const failures = createFailures()
  const underWay = new Map<string, Promise<void>>()

  const read = async (url: URL, deps: Deps): Promise<void> => {
    const { bytes, headers } = await gate(url.hostname, () => fetchDocument(url, network))
    const document = parseMetadataDocument(url, bytes)
    const now = deps.now()
    const seconds = freshSeconds(headers['cache-control'], headers.age)
    await deps.store.registrations.putDocument({
      ...rowOf(url, document, settings),
      createdAt: now,
      documentFetchedAt: now,
      documentExpiresAt: new Date(now.getTime() + seconds * 1000),
    })
  }

  /** One read for all who wait for the same document. Only a good one is kept. */
  const readOnce = (url: URL, deps: Deps): Promise<void> => {
    const already = underWay.get(url.href)
    if (already) return already
    const reading = evenly(network.timeLimitMs, () => read(url, deps)).finally(() =>
      underWay.delete(url.href),
    )
    underWay.set(url.href, reading)
    return reading
  }

  const log = (url: URL, error: DocumentFailure, deps: Deps): void =>
    deps.log.info({ host: url.host, why: error.message }, 'no metadata document')

  return {
    find: async (id, known, { allowStale }, deps) => {
      const url = checkedUrl(id, settings)
      const now = deps.now()
      if (known && isFresh(known, now)) return known
      const stale = allowStale && known && isUsable(known, now) ? known : undefined
      if (stale && failures.isRecent(id, now)) return stale
      try {
        await readOnce(url, deps)
      } catch (error) {
        if (error instanceof DocumentFailure) log(url, error, deps)
        if (!stale || !isAway(error)) throw wireError(error)
        failures.note(id, now)
        return stale
      }
      return deps.store.clients.find(id)
    },
  }
}
