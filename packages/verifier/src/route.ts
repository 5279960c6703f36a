/** What a route asks of its callers, for the adapters. */
import { scopeWords } from './guards.js'
import type { VerifyOptions } from './verifier.js'

export interface RouteOptions extends Pick<VerifyOptions, 'allowStale' | 'countRequest'> {
  /** Scopes that all must be there. */
  scope?: string | readonly string[] | undefined
}

/** @throws TypeError for a scope that is none, when the route is made and not when it is called */
export const toVerifyOptions = ({ scope, ...rest }: RouteOptions): VerifyOptions => ({
  ...rest,
  requireScope: scopeWords(scope),
})
