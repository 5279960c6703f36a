/** `resource` (RFC 8707 §2) and `audience` (RFC 8693 §2.1): what the token is for. */
import { isResourceUri, OAuthError } from '@behalf/protocol'
import { apiScopes } from '../api-scopes.js'
import type { Deps } from '../deps.js'
import type { Form } from '../form.js'
import type { Resource } from '../store/resources.js'

const maxTargets = 20

const refuse = (description: string, reason: string): OAuthError =>
  new OAuthError('invalid_target', {
    description,
    reason,
    hint: 'Send resource=<URI> exactly as the resource is registered.',
  })

/**
 * An audience is a resource URI, the issuer, or the client id of a resource server. A name that
 * nobody has stays as it is, and is refused like a resource that may not be used: who asks does not
 * learn which clients other tenants have.
 */
const resolveAudience = async (audience: string[], deps: Deps): Promise<string[]> => {
  const names = audience.filter((name) => !isResourceUri(name))
  const served = names.length > 0 ? await deps.store.resources.findByClients(names) : []
  return audience.flatMap((name) => {
    if (isResourceUri(name)) return [name]
    const resources = served.filter(({ client_id }) => client_id === name)
    return resources.length > 0 ? resources.map(({ resource }) => resource) : [name]
  })
}

/**
 * URL parsers write `https://host` as `https://host/`, and stock MCP clients send it so. It is the one
 * spelling that is not compared to the byte; resources are registered without the slash.
 */
const withoutRootSlash = (uri: string): string =>
  /^https?:\/\/[^/?#]+\/$/.test(uri) ? uri.slice(0, -1) : uri

/**
 * The targets that a request names, each once; `undefined` when it names none.
 *
 * @throws OAuthError `invalid_target`
 */
export const requestedTargets = async (form: Form, deps: Deps): Promise<string[] | undefined> => {
  const resource = form.all('resource')
  if (!resource.every(isResourceUri)) {
    throw refuse('A resource must be an absolute URI without a fragment.', 'malformed_resource')
  }
  const audience = await resolveAudience([...new Set(form.all('audience'))], deps)
  const targets = [...new Set([...resource, ...audience].map(withoutRootSlash))]
  if (targets.length > maxTargets) throw refuse('Too many targets.', 'too_many_targets')
  if (targets.length > 1 && targets.includes(deps.issuer)) {
    // A token for the server itself can be an actor token; one for a resource must never be.
    throw refuse('A token is for this server or for resources, not for both.', 'mixed_targets')
  }
  return targets.length > 0 ? targets : undefined
}

/** The scopes that these resources know; what none of them knows is not granted. */
export const scopesOf = async (
  targets: readonly string[],
  tenantId: string | undefined,
  deps: Deps,
): Promise<string[]> => {
  if (targets.length === 1 && targets[0] === deps.issuer) return [...apiScopes]
  const known = await deps.store.resources.findMany(targets)
  const mine = (resource: Resource): boolean =>
    resource.tenant_id === undefined || resource.tenant_id === tenantId
  if (known.length !== new Set(targets).size || !known.every(mine)) {
    throw refuse('A resource asked for is not known.', 'unknown_resource')
  }
  return known.flatMap(({ scopes_supported }) => scopes_supported)
}
