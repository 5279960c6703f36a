/** What the configuration says of registration, with its gaps filled. */
import type { Config } from '../config.js'
import { hashSecret } from '../secrets.js'

/** What clients may have at most that nobody has written down one by one. */
export interface Allowance {
  scope: readonly string[]
  resources: readonly string[]
  tenantId: string | undefined
}

export interface DocumentSettings extends Allowance {
  /** Absent: every public host. */
  allowedHosts: readonly string[] | undefined
}

export interface DynamicSettings extends Allowance {
  mode: 'off' | 'open' | 'initial_access_token'
  initialAccessTokenHashes: readonly string[]
  registrationsPerMinute: number
  maxClients: number
  unusedHours: number
  idleDays: number
}

export interface RegistrationSettings {
  /** Absent: switched off. */
  documents: DocumentSettings | undefined
  dynamic: DynamicSettings
}

interface AllowanceConfig {
  scope?: string | undefined
  resources?: string[] | undefined
  tenant_id?: string | undefined
}

const allowanceOf = ({ scope, resources, tenant_id }: AllowanceConfig): Allowance => ({
  scope: scope ? scope.split(' ') : [],
  resources: resources ?? [],
  tenantId: tenant_id,
})

const isText = (value: unknown): value is string => typeof value === 'string'

/** Without a word about them in the file, nobody registers without the operator. */
export const registrationSettings = ({ registration = {} }: Config): RegistrationSettings => {
  const { client_id_metadata_documents: documents, dynamic } = registration
  return {
    documents:
      documents && documents.enabled !== false
        ? { ...allowanceOf(documents), allowedHosts: documents.allowed_hosts }
        : undefined,
    dynamic: {
      ...allowanceOf(dynamic ?? {}),
      mode: dynamic?.mode ?? 'off',
      initialAccessTokenHashes: (dynamic?.initial_access_tokens ?? [])
        .filter(isText)
        .map(hashSecret),
      registrationsPerMinute: dynamic?.registrations_per_minute ?? 20,
      maxClients: dynamic?.max_clients ?? 10_000,
      unusedHours: dynamic?.unused_hours ?? 24,
      idleDays: dynamic?.idle_days ?? 90,
    },
  }
}
