/** Tokens and delegations in any of the forms in which this package gives them out. */
import { delegationId } from '@behalf/protocol'
import { readToken } from './agent-token.js'
import type { DelegatedToken } from './delegated-token.js'
import { type HandOff, isHandOffText, parseHandOff } from './hand-off.js'

/** A token in any of the forms in which this package gives one out. */
export type TokenLike = string | { readonly accessToken: string } | DelegatedToken | HandOff

/** The id of a delegation, the text of a hand-off, or a hand-off or token as an object. */
export type DelegationLike = string | { readonly delegationId: string | undefined }

export const notAToken = (): TypeError =>
  new TypeError('A token is text, a hand-off, or what token(), accept() or exchange() gave.')

const textIn = (token: TokenLike, issuer: string): string => {
  const text = typeof token === 'string' ? token : 'text' in token ? token.text : token.accessToken
  if (typeof text !== 'string' || text === '') throw notAToken()
  return isHandOffText(text) ? parseHandOff(text, issuer).token : text
}

/** The text of a token as it is. */
export const knownText = (token: TokenLike, issuer: string): string => {
  if (typeof token === 'string' || (typeof token === 'object' && token !== null)) {
    return textIn(token, issuer)
  }
  throw notAToken()
}

/** The text of a token to be used, renewed first where it can be. */
export const freshText = async (token: TokenLike, issuer: string): Promise<string> => {
  if (typeof token === 'object' && token !== null && 'token' in token) {
    return (await token.token()).accessToken
  }
  return knownText(token, issuer)
}

const idIn = (text: string, issuer: string): string | undefined =>
  isHandOffText(text) ? readToken(parseHandOff(text, issuer).token)?.lineage.at(-1) : text

/** @throws TypeError when it names no delegation */
export const delegationIdOf = (like: DelegationLike, issuer: string): string => {
  const result = delegationId.safeParse(
    typeof like === 'string' ? idIn(like, issuer) : like?.delegationId,
  )
  if (result.success) return result.data
  throw new TypeError('A delegation is its id, a hand-off, or a token that says its delegation.')
}
