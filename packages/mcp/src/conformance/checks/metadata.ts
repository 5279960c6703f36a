/** The RFC 9728 document, and the issuer that it leads to. */
import { resourceMetadataUrl } from '@behalf/protocol'
import { type Check, failed, judge, passed, skipped } from '../check.js'
import { readObject } from '../http.js'
import type { Members } from '../signing.js'
import { issuerMetadataUrls, type Target } from '../target.js'
import { specs } from './specs.js'

const texts = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter((one) => typeof one === 'string') : []

const rootOf = (url: string): string => new URL('/.well-known/oauth-protected-resource', url).href

const documentAt = async ({ get }: Target, url: string) => {
  const answer = await get(url)
  return { status: answer.status, document: readObject(answer.text), answer }
}

/** A client that has only an origin writes it with a slash, and that is the same resource. */
const isSameResource = (one: unknown, other: string): boolean =>
  one === other || (one === `${other}/` && new URL(other).origin === other)

const pathAware: Check = {
  id: 'prm-path-aware',
  title: 'The metadata stands at the well-known location that has the path of the server in it.',
  level: 'must',
  spec: specs.resourceMetadataUrl,
  fix: 'Serve the RFC 9728 document at /.well-known/oauth-protected-resource followed by the path of the server, without asking for a token.',
  run: async (target) => {
    const url = resourceMetadataUrl(target.resource)
    const { status, document } = await documentAt(target, url)
    return status === 200 && document ? passed(url) : failed(`${url} answers ${status}`)
  },
}

const atRoot: Check = {
  id: 'prm-root',
  title: 'The metadata stands at the root location too, where older clients look.',
  level: 'advised',
  spec: specs.discovery,
  fix: 'Serve the same document at /.well-known/oauth-protected-resource.',
  run: async (target) => {
    const { status, document } = await documentAt(target, rootOf(target.url))
    if (status !== 200 || !document) return failed(`${rootOf(target.url)} answers ${status}`)
    if (isSameResource(document.resource, target.resource)) return passed(rootOf(target.url))
    return skipped(`the root describes another resource: ${String(document.resource)}`)
  },
}

const resourceEqualsUrl: Check = {
  id: 'prm-resource-equals-url',
  title: 'The metadata names exactly the URL that clients call.',
  level: 'must',
  spec: specs.resourceMetadataValidation,
  fix: 'Configure the public URL of the server, path included, and put it into "resource" to the byte. Clients drop a document that names another one.',
  run: async ({ metadata, resource }) => {
    const document = await metadata()
    if (!document) return failed('no metadata was found')
    return isSameResource(document.resource, resource)
      ? passed(resource)
      : failed(`resource is ${JSON.stringify(document.resource)}, and clients call ${resource}`)
  },
}

const nameOfIssuer = async (target: Target, issuer: string): Promise<unknown> => {
  for (const url of issuerMetadataUrls(issuer)) {
    const { status, document } = await documentAt(target, url)
    if (status === 200 && document) return document.issuer
  }
  return undefined
}

const issuerExact: Check = {
  id: 'prm-issuer-exact',
  title: 'Each authorization server is named exactly as it names itself.',
  level: 'must',
  spec: specs.issuerValidation,
  fix: 'Write "authorization_servers" as the issuers spell themselves in their own metadata, to the slash. Never build the value with new URL().href.',
  run: async (target) => {
    const issuers = texts((await target.metadata())?.authorization_servers)
    if (issuers.length === 0) return failed('authorization_servers is missing or empty')
    const wanted = await target.issuer()
    const problems = [issuers.includes(wanted ?? '') ? undefined : `${wanted} is not among them`]
    for (const issuer of issuers.slice(0, 5)) {
      const named = await nameOfIssuer(target, issuer)
      if (named !== issuer) problems.push(`${issuer} calls itself ${JSON.stringify(named)}`)
    }
    return judge(problems, issuers.join(', '))
  },
}

const listedScopes = async ({ metadata, challenge }: Target): Promise<string[]> => [
  ...texts((await metadata())?.scopes_supported),
  ...((await challenge())?.parameters.get('scope') ?? '').split(' '),
]

const noOfflineAccess: Check = {
  id: 'prm-no-offline-access',
  title: 'Neither the metadata nor the challenge asks for offline_access.',
  level: 'should',
  spec: specs.refreshTokens,
  fix: 'Take offline_access out of scopes_supported and of the challenge: refresh tokens are between the client and the authorization server.',
  run: async (target) =>
    (await listedScopes(target)).includes('offline_access')
      ? failed('offline_access is listed')
      : passed('not listed'),
}

const noWildcardScope: Check = {
  id: 'prm-no-wildcard-scope',
  title: 'No scope that is listed stands for everything.',
  level: 'should',
  spec: specs.scopeMinimization,
  fix: 'List the few scopes that a client needs to begin with, and no wildcard.',
  run: async (target) => {
    const wild = (await listedScopes(target)).filter((scope) =>
      /\*|^(all|full.access)$/.test(scope),
    )
    return wild.length === 0 ? passed('none') : failed(wild.join(' '))
  },
}

const headerOnly: Check = {
  id: 'prm-bearer-methods',
  title: 'The metadata offers no other place for a token than the header.',
  level: 'must',
  spec: specs.tokenRequirements,
  fix: 'Set bearer_methods_supported to ["header"].',
  run: async ({ metadata }) => {
    const methods = (await metadata())?.bearer_methods_supported
    const others = texts(methods).filter((one) => one !== 'header')
    return others.length === 0 ? passed(JSON.stringify(methods) ?? 'absent') : failed(others.join())
  },
}

const corsProblems = (document: string | undefined, preflight: Members): (string | undefined)[] => [
  document === '*' ? undefined : `Access-Control-Allow-Origin: ${document ?? 'absent'}`,
  preflight.isAllowed ? undefined : `a preflight is answered ${String(preflight.status)}`,
]

const metadataCors: Check = {
  id: 'prm-cors',
  title: 'Web pages can read the metadata.',
  level: 'advised',
  spec: specs.cors,
  fix: 'Serve the metadata with "Access-Control-Allow-Origin: *", and answer a preflight that asks for MCP-Protocol-Version: clients in browsers send it.',
  run: async (target) => {
    const url = resourceMetadataUrl(target.resource)
    const origin = 'https://client.example'
    const { answer } = await documentAt(target, url)
    const preflight = await target.send({
      url,
      method: 'OPTIONS',
      headers: {
        origin,
        'access-control-request-method': 'GET',
        'access-control-request-headers': 'mcp-protocol-version',
      },
    })
    const allowed = (preflight.header('access-control-allow-headers') ?? '').toLowerCase()
    const isAllowed = preflight.status < 300 && /mcp-protocol-version|\*/.test(allowed)
    const { status } = preflight
    const named = answer.header('access-control-allow-origin')
    return judge(corsProblems(named, { isAllowed, status }), 'any page may')
  },
}

const ignoresForwardedHost: Check = {
  id: 'prm-ignores-forwarded-host',
  title: 'What a request says of its host does not change what the metadata says.',
  level: 'must',
  spec: specs.resourceMetadataValidation,
  fix: 'Take the public URL from the configuration. Never from Host, Forwarded or X-Forwarded-Host, which anyone can send and a cache may keep.',
  run: async (target) => {
    const url = resourceMetadataUrl(target.resource)
    const forged = { 'x-forwarded-host': 'evil.example', forwarded: 'host=evil.example' }
    const answers = [
      await target.get(url, { ...forged, 'x-forwarded-proto': 'https' }),
      ...(target.hasSocket ? [await target.get(url, { host: 'evil.example' })] : []),
      await target.call({ headers: forged }),
    ]
    const all = answers.map(({ text, header }) => text + (header('www-authenticate') ?? ''))
    return all.some((text) => text.includes('evil.example'))
      ? failed('evil.example, from a header of the request, stands in the answer')
      : passed('the same')
  },
}

export const metadataChecks: readonly Check[] = [
  pathAware,
  atRoot,
  resourceEqualsUrl,
  issuerExact,
  noOfflineAccess,
  noWildcardScope,
  headerOnly,
  metadataCors,
  ignoresForwardedHost,
]
