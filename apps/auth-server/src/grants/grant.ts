/** A grant type answers one question: may this be granted? It never mints and knows no HTTP. */
import type { Deps } from '../deps.js'
import type { Form } from '../form.js'
import type { Issuance } from '../issue-tokens.js'
import type { Client } from '../store/clients.js'

export interface GrantRequest {
  /** The client that has authenticated. */
  client: Client
  form: Form
}

export type Grant = (request: GrantRequest, deps: Deps) => Promise<Issuance>

/** Seconds that an access token lives at most: for an agent itself, and under a delegation. */
export const accessTokenSeconds = 900
export const delegatedTokenSeconds = 300
