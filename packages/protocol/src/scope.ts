/** Scope is a set of case-sensitive words. RFC 6749 §3.3. */
import { OAuthError } from './errors.js'

const scopeToken = /^[\x21\x23-\x5b\x5d-\x7e]+$/
const maxScopeLength = 4096

/** The words of a scope, in order, each once; `undefined` when the text is not a scope. */
export const readScope = (scope: string): string[] | undefined => {
  if (scope.length > maxScopeLength) return undefined
  const words = scope.split(' ')
  return words.every((word) => scopeToken.test(word)) ? [...new Set(words)] : undefined
}

/** Parses a requested scope. @throws OAuthError `invalid_scope` */
export const parseScope = (scope: string): string[] => {
  const words = readScope(scope)
  if (words) return words
  throw new OAuthError('invalid_scope', {
    description: 'scope must be words of visible ASCII with one space between them.',
    reason: 'malformed_scope',
  })
}

export const formatScope = (words: readonly string[]): string => words.join(' ')

/** The words of `wanted` that `allowed` has, in the order of `wanted`. */
export const intersectScope = (wanted: readonly string[], allowed: readonly string[]): string[] => {
  const set = new Set(allowed)
  return wanted.filter((word) => set.has(word))
}

/** The words of `wanted` that `held` lacks. Whole words, exact case. */
export const missingScope = (wanted: readonly string[], held: readonly string[]): string[] => {
  const set = new Set(held)
  return wanted.filter((word) => !set.has(word))
}
