/** Which page of a listing an admin asks for. */
import { OAuthError, clientId as tenantIdSchema } from '@behalf/protocol'
import { z } from 'zod'

const maxPage = 100

const querySchema = z.strictObject({
  tenant_id: tenantIdSchema.optional(),
  limit: z.coerce.number().int().min(1).max(maxPage).default(50),
  cursor: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,3000}$/)
    .optional(),
})

export const malformedQuery = (description: string): OAuthError =>
  new OAuthError('invalid_request', { description, reason: 'malformed_query' })

/** @throws OAuthError `invalid_request` that names the parameter */
export const readPageQuery = (query: Record<string, string[]>) => {
  const repeated = Object.values(query).some((values) => values.length > 1)
  if (repeated) throw malformedQuery('A parameter is given more than once.')
  const single = Object.fromEntries(Object.entries(query).map(([name, [value]]) => [name, value]))
  const result = querySchema.safeParse(single)
  if (result.success) return result.data
  const issue = result.error.issues[0]
  throw malformedQuery(`${issue?.path.join('.') || 'query'}: ${issue?.message}.`)
}
