/** Bodies that cross the wire, spelt as on the wire. */
import { z } from 'zod'
import { agentLimitsClaimSchema } from './agent-limits.js'
import { narrowingReportSchema } from './narrowing-report.js'

/** RFC 6749 §5.1, RFC 8693 §2.2.1 */
export const tokenResponseSchema = z.looseObject({
  access_token: z.string().min(1),
  token_type: z.string().min(1),
  expires_in: z.number().positive().optional(),
  scope: z.string().optional(),
  /** Of a person's consent only. */
  refresh_token: z.string().min(1).optional(),
  issued_token_type: z.string().optional(),
  agent_limits: agentLimitsClaimSchema.optional(),
  /** Said when the budget of a new delegation was set aside. */
  budget_mode: z.string().optional(),
  /** For people to read: nothing is decided by it, so a malformed one is passed over. */
  narrowed: narrowingReportSchema.optional().catch(undefined),
})
export type TokenResponse = z.infer<typeof tokenResponseSchema>

/** RFC 7662 §2.2 */
export const introspectionResponseSchema = z.looseObject({ active: z.boolean() })
export type IntrospectionResponse = z.infer<typeof introspectionResponseSchema>

/** Claims of the signed revocation feed. `exp` of an entry: when nothing it kills can be alive. */
export const revocationFeedSchema = z.looseObject({
  iss: z.string(),
  iat: z.int(),
  cursor: z.string(),
  /** Seconds for which this answer may be believed. */
  ttl: z.int().min(1),
  revoked: z.array(z.object({ id: z.string(), exp: z.int() })),
  /** The cursor that was asked from, in an answer that is not the whole list. */
  after: z.string().optional(),
  /** True when the list is the whole of what is revoked, false when it is what came after a cursor. */
  full: z.boolean(),
})
export type RevocationFeed = z.infer<typeof revocationFeedSchema>

/** The `typ` of the signed feed, so that nothing else of the issuer passes for it. */
export const revocationFeedType = 'revocation-feed+jwt'

/** RFC 9728 §2 */
export interface ProtectedResourceMetadata {
  resource: string
  authorization_servers: readonly string[]
  scopes_supported?: readonly string[]
  bearer_methods_supported: readonly ['header']
  resource_name?: string
}
