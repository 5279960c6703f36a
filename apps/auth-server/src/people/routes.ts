/**
 * Which of better-auth's own routes can be reached. Everything else of it is called by our pages, which
 * limit and check first, or not at all: what it adds in a later version is closed until it stands here.
 */
import type { PeopleConfig } from './people-config.js'

const passkeys = [
  'GET /passkey/generate-authenticate-options',
  'POST /passkey/verify-authentication',
  'GET /passkey/generate-register-options',
  'POST /passkey/verify-registration',
]

const always: ReadonlySet<string> = new Set(passkeys)

const isCallback = (method: string, path: string, { social, oidc, sso }: PeopleConfig): boolean => {
  const [, kind, id = ''] = /^\/(callback|sso\/callback)\/([a-z0-9-]+)$/.exec(path) ?? []
  if (kind === 'sso/callback') {
    return method === 'GET' && sso.some(({ provider_id }) => provider_id === id)
  }
  if (kind !== 'callback') return false
  // Apple posts its answer, from its own page.
  const isMethod = method === 'GET' || (method === 'POST' && id === 'apple')
  const isKnown = Object.hasOwn(social, id) || oidc.some(({ provider_id }) => provider_id === id)
  return isMethod && isKnown
}

/** Browsers say where a request comes from; one from elsewhere is not meant by the person. */
const isForeign = ({ method, headers }: Request, issuer: string): boolean => {
  if (method === 'GET') return false
  const origin = headers.get('origin')
  return origin !== new URL(issuer).origin
}

export const isOpenRoute = (request: Request, issuer: string, config: PeopleConfig): boolean => {
  const { pathname } = new URL(request.url)
  const base = new URL(issuer).pathname.replace(/\/$/, '')
  const path = pathname.slice(`${base}/auth`.length)
  if (isCallback(request.method, path, config)) return true
  return always.has(`${request.method} ${path}`) && !isForeign(request, issuer)
}
