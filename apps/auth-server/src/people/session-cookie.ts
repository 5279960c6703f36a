/** The cookie of a session: its token and a MAC of it, as better-auth writes them. */
import { createHmac, timingSafeEqual } from 'node:crypto'

/** Over http on loopback a plain name: browsers take `__Host-` with `Secure` only. */
export const sessionCookiePrefix = (issuer: string): string =>
  issuer.startsWith('https:') ? '__Host-behalf' : 'behalf'

export const sessionCookieName = (issuer: string): string =>
  `${sessionCookiePrefix(issuer)}.session_token`

const readCookie = (header: string, name: string): string | undefined => {
  const found = header
    .split(';')
    .map((pair) => pair.trim())
    .find((pair) => pair.startsWith(`${name}=`))
  return found?.slice(name.length + 1)
}

const decode = (text: string): string | undefined => {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

const macMatches = (token: string, mac: string, secret: string): boolean => {
  const expected = createHmac('sha256', secret).update(token).digest()
  const given = Buffer.from(mac, 'base64')
  return given.length === expected.length && timingSafeEqual(given, expected)
}

/** The token of the request's cookie, if this server has made it. */
export const readSessionToken = (
  request: Request,
  issuer: string,
  secret: string,
): string | undefined => {
  const header = request.headers.get('cookie')
  const value = header === null ? undefined : readCookie(header, sessionCookieName(issuer))
  const signed = value === undefined ? undefined : decode(value)
  const dot = signed?.lastIndexOf('.') ?? -1
  if (signed === undefined || dot < 1) return undefined
  const token = signed.slice(0, dot)
  return macMatches(token, signed.slice(dot + 1), secret) ? token : undefined
}

/** The Set-Cookie line that clears it. */
export const clearSessionCookie = (issuer: string): string => {
  const secure = issuer.startsWith('https:') ? '; Secure' : ''
  return `${sessionCookieName(issuer)}=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax${secure}`
}
