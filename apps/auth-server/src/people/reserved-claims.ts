/** Names that no claim of the operator can have. */

/** Claims that protocols and this server give their meaning: no configuration can change one. */
const reserved: ReadonlySet<string> = new Set([
  // RFC 7519 §4.1
  ...['iss', 'sub', 'aud', 'exp', 'nbf', 'iat', 'jti'],
  // OpenID Connect Core §2 and §3.3.2.11, OpenID Connect Back-Channel Logout §2.4
  ...['auth_time', 'nonce', 'acr', 'amr', 'azp', 'at_hash', 'c_hash', 's_hash', 'sid', 'events'],
  // OpenID Connect Core §5.1 and §5.6: what says who somebody is
  ...['name', 'picture', 'email', 'email_verified', '_claim_names', '_claim_sources'],
  // RFC 9068 §2.2, RFC 8693 §4, RFC 7800 §3.1, RFC 9396 §9.1
  ...['client_id', 'scope', 'act', 'may_act', 'cnf', 'authorization_details'],
  // This server's own, and what introspection adds (RFC 7662 §2.2)
  ...['role', 'roles', 'tenant_id', 'org_role', 'organization_ids', 'sub_profile', 'budget'],
  ...['active', 'token_type', 'username', 'scp', '__proto__', 'constructor'],
])

/** True for the names that a custom claim cannot have, short or namespaced. */
export const isReservedClaim = (name: string): boolean =>
  reserved.has(name) || name.startsWith('agent_')
