/** Bodies that cross the wire, spelt as on the wire. */
import * as z from 'zod'
import { agentLimitsClaimSchema } from './agent-limits-schema.js'
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

/** RFC 9728 §2 */
export interface ProtectedResourceMetadata {
  resource: string
  authorization_servers: readonly string[]
  scopes_supported?: readonly string[]
  bearer_methods_supported: readonly ['header']
  resource_name?: string
}
