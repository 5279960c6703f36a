/** Custom claims travel in every token of a person: how much that is is told at the start, not by a proxy. */
import type { Config } from './config.js'

type Claims = Record<string, unknown>

/** As they stand in a token, before base64url makes four of three. */
const bytesOf = (claims: Claims): number => Buffer.byteLength(JSON.stringify(claims))

/**
 * A token is about one person in one organization, and anybody may be asked into any: so the largest
 * that can come together. Of a name that both have, the person's counts.
 */
const largest = (
  claims: Claims,
  tenants: Config['tenants'],
  most: number,
): { bytes: number; tenantId: string } | undefined => {
  const own = bytesOf(claims)
  for (const { tenant_id: tenantId, claims: theirs = {} } of tenants) {
    // Nothing is added to nothing for most of them.
    if (own + bytesOf(theirs) <= most) continue
    const bytes = bytesOf({ ...theirs, ...claims })
    if (bytes > most) return { bytes, tenantId }
  }
  return undefined
}

/** @returns one line for each mistake */
export const checkClaims = ({ users, tenants, people }: Config): string[] => {
  const { max_claims_bytes: most } = people
  const setting = `more than the ${most} of people.max_claims_bytes: every token carries them`
  const own = ([where, claims]: readonly [string, Claims]): string[] => {
    const bytes = bytesOf(claims)
    return bytes > most ? [`${where}.claims: ${bytes} bytes are ${setting}`] : []
  }
  const alone = [
    ...tenants.map(({ claims = {} }, index) => [`tenants[${index}]`, claims] as const),
    ...users.map(({ claims = {} }, index) => [`users[${index}]`, claims] as const),
  ].flatMap(own)
  if (alone.length > 0) return alone
  return users.flatMap(({ claims }, index) => {
    const found = claims && largest(claims, tenants, most)
    if (!found) return []
    const { bytes, tenantId } = found
    return [
      `users[${index}].claims: with those of tenant "${tenantId}" ${bytes} bytes are ${setting}`,
    ]
  })
}
