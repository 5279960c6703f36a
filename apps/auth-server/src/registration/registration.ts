/** What the server needs in order to let clients in that nobody has configured. */
import type { Config } from '../config.js'
import type { OpenCounter } from '../rate-limits/counters.js'
import { type DocumentNetwork, publicNetwork } from './metadata-document-network.js'
import { createMetadataDocuments, type MetadataDocuments } from './metadata-documents.js'
import { type DynamicSettings, registrationSettings } from './settings.js'

export interface Registration {
  /** Absent: switched off. */
  documents: MetadataDocuments | undefined
  dynamic: DynamicSettings
}

export const createRegistration = (
  config: Config,
  open: OpenCounter,
  network: Partial<DocumentNetwork> = {},
): Registration => {
  const { documents, dynamic } = registrationSettings(config)
  return {
    documents:
      documents && createMetadataDocuments(documents, { ...publicNetwork, ...network }, open),
    dynamic,
  }
}

/** Members of the server's metadata. RFC 8414 §2, Client ID Metadata Document §7. */
export const registrationMetadata = (issuer: string, { documents, dynamic }: Registration) => ({
  ...(dynamic.mode !== 'off' && { registration_endpoint: `${issuer}/register` }),
  ...(documents && { client_id_metadata_document_supported: true }),
})
