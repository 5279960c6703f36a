/** How a resource, whose name is a URI, stands in a path and in a cursor. */
import { isResourceUri } from '@behalf/protocol'

/**
 * The URI in base64url. Percent-encoded it would have `%2F` in it, which proxies and web servers decode,
 * merge or refuse before it gets here; of these letters every client and every proxy leaves every one as
 * it is, and whoever knows the URI knows the id.
 */
export const resourceIdOf = (resource: string): string =>
  Buffer.from(resource, 'utf8').toString('base64url')

/** @returns `undefined` for what is no id, or another spelling of one */
export const readResourceId = (id: string): string | undefined => {
  const resource = Buffer.from(id, 'base64url').toString('utf8')
  return resourceIdOf(resource) === id && isResourceUri(resource) ? resource : undefined
}
