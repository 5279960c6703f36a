/** HTTP Basic with client credentials, both ways. RFC 6749 §2.3.1. */

const formEncode = (value: string): string =>
  new URLSearchParams({ '': value }).toString().slice('='.length)

const formDecode = (value: string): string | undefined => {
  try {
    return decodeURIComponent(value.replaceAll('+', ' '))
  } catch {
    return undefined
  }
}

/** The value of an `Authorization` header: id and secret are form-encoded before they are joined. */
export const basicAuthorization = (clientId: string, clientSecret: string): string =>
  `Basic ${btoa(`${formEncode(clientId)}:${formEncode(clientSecret)}`)}`

/**
 * Reads HTTP Basic client credentials.
 *
 * @returns `undefined` when the header is malformed in any way
 */
export const readBasicAuthorization = (
  header: string,
): { clientId: string; clientSecret: string } | undefined => {
  const match = /^Basic +([A-Za-z0-9+/]+={0,2})$/i.exec(header)
  if (!match?.[1]) return undefined
  let pair: string
  try {
    pair = atob(match[1])
  } catch {
    return undefined
  }
  // Form encoding leaves nothing but visible ASCII, so other bytes have no agreed meaning.
  if (!/^[\x21-\x7e]+$/.test(pair)) return undefined
  const colon = pair.indexOf(':')
  if (colon < 1) return undefined
  const clientId = formDecode(pair.slice(0, colon))
  const clientSecret = formDecode(pair.slice(colon + 1))
  return clientId && clientSecret ? { clientId, clientSecret } : undefined
}
