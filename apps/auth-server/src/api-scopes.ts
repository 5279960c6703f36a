/** Scopes of the server's own API, for tokens whose audience is the issuer. */
export const apiScopes = [
  'budgets:charge',
  'delegations:read',
  'delegations:revoke',
  'admin',
] as const

export type ApiScope = (typeof apiScopes)[number]
