/** What a client may reach for a person: resources, and the scopes that these know. */
import { intersectScope, OAuthError } from '@behalf/protocol'
import type { Deps } from '../deps.js'
import { type Client, isSelfRegistered } from '../store/clients.js'
import type { Resource } from '../store/resources.js'
import type { Found, Granted } from './request.js'

/** What is said of the person, and not to a resource. OpenID Connect Core §5.4, §11. */
export const identityScopes = ['openid', 'profile', 'email', 'offline_access'] as const

const refuseTarget = (description: string, reason: string): OAuthError =>
  new OAuthError('invalid_target', {
    description,
    reason,
    hint: 'Send resource=<URI> exactly as the resource is registered.',
  })

/** Unknown, removed meanwhile, and another's: they look alike. */
export const unknownTarget = (): OAuthError =>
  refuseTarget('A resource asked for is not one that may be used here.', 'unknown_resource')

/**
 * An application that somebody has written down without a list of resources may ask for any: who decides
 * is the person, within their organization. An agent has the list that it is given, and whoever
 * registered itself that of all who do.
 */
export const mayReach = (client: Client, resource: string): boolean => {
  const { kind, resources } = client
  const mayAskForAny = kind === 'app' && resources.length === 0 && !isSelfRegistered(client)
  return mayAskForAny || resources.includes(resource)
}

/** The organizations that the client and these resources belong to. */
const tenantsOf = (client: Client, found: readonly Resource[]): string[] => {
  const all = [client.tenant_id, ...found.map(({ tenant_id }) => tenant_id)]
  return [...new Set(all.flatMap((id) => (id === undefined ? [] : [id])))]
}

/**
 * Without a resource of its own, a request is for the one that the client has, if it has just one.
 *
 * @throws OAuthError `invalid_target`; what is unknown and what is not the client's look alike
 */
export const reachable = async (
  asked: readonly string[] | undefined,
  client: Client,
  deps: Deps,
): Promise<Pick<Found, 'resources' | 'tenantIds'>> => {
  const resources = asked ?? (client.resources.length === 1 ? client.resources : [])
  const found = resources.length > 0 ? await deps.store.resources.findMany(resources) : []
  const tenantIds = tenantsOf(client, found)
  const isAllowed = found.length === resources.length && resources.every((r) => mayReach(client, r))
  // Of two organizations at once there is no member: a token is for one.
  if (isAllowed && tenantIds.length <= 1) return { resources, tenantIds }
  throw unknownTarget()
}

const nothingLeft = (): OAuthError =>
  new OAuthError('invalid_scope', {
    description: 'Nothing of the scope asked for may be granted.',
    reason: 'scope_not_allowed',
  })

/** Which of these words is for which of the resources; what is said of the person is the issuer's. */
export const scopeByTarget = async (
  scope: readonly string[],
  resources: readonly string[],
  deps: Deps,
): Promise<Granted> => {
  const found = resources.length > 0 ? await deps.store.resources.findMany(resources) : []
  const ofPerson = intersectScope(scope, identityScopes)
  return Object.fromEntries([
    ...found.map(({ resource, scopes_supported: known }) => [
      resource,
      intersectScope(scope, known),
    ]),
    ...(ofPerson.length > 0 ? [[deps.issuer, ofPerson]] : []),
  ])
}

/** The words that something asks for after all, in the order of the question. */
export const wordsOf = (scope: readonly string[], granted: Granted): string[] =>
  intersectScope(scope, Object.values(granted).flat())

/**
 * What is allowed of a scope: words that the client is registered for and that one of the resources
 * knows. Without a scope all of those, except what is said of the person: that has to be asked for.
 *
 * @throws OAuthError `invalid_scope` when nothing is left, `invalid_target` when it needs a resource
 */
export const grantScope = async (
  asked: readonly string[] | undefined,
  resources: readonly string[],
  client: Client,
  deps: Deps,
): Promise<Pick<Found, 'scope' | 'granted'>> => {
  const ofResources = client.scope.filter((word) => !identityScopes.some((one) => one === word))
  const wanted = asked ? intersectScope(asked, client.scope) : ofResources
  const granted = await scopeByTarget(wanted, resources, deps)
  const scope = wordsOf(wanted, granted)
  if (resources.length === 0 && scope.length === 0) {
    throw refuseTarget('resource is missing.', 'resource_required')
  }
  if (asked && scope.length === 0) throw nothingLeft()
  return { scope, granted }
}
