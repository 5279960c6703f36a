/** Parameters of a form body, held to RFC 6749 §3.2. */
import { isCleanText, OAuthError } from '@behalf/protocol'

/** RFC 8707 §2 and RFC 8693 §2.1 let these be repeated. Nothing else may be. */
const repeatable = new Set(['resource', 'audience'])

export interface Form {
  /** The value, or `undefined` for one that is absent or empty (RFC 6749 §3.2). */
  get(name: string): string | undefined
  /** All values that are not empty. */
  all(name: string): string[]
  /** True also for a parameter that is there without a value. */
  has(name: string): boolean
  names(): string[]
}

const refuse = (description: string, reason: string): OAuthError =>
  new OAuthError('invalid_request', { description, reason })

const check = (name: string, values: readonly string[]): void => {
  if (values.length > 1 && !repeatable.has(name)) {
    throw refuse('A parameter is given more than once.', 'repeated_parameter')
  }
  if (!isCleanText(name) || !values.every(isCleanText)) {
    throw refuse('A parameter holds a control character.', 'control_character')
  }
}

/** @throws OAuthError `invalid_request` */
export const formOf = (values: ReadonlyMap<string, readonly string[]>): Form => {
  for (const [name, all] of values) check(name, all)
  const all = (name: string): string[] => (values.get(name) ?? []).filter((value) => value !== '')
  return {
    get: (name) => all(name)[0],
    all,
    has: (name) => values.has(name),
    names: () => [...values.keys()],
  }
}

/** @throws OAuthError `invalid_request` */
export const parseForm = (body: string): Form => {
  const values = new Map<string, string[]>()
  for (const [name, value] of new URLSearchParams(body)) {
    const earlier = values.get(name)
    if (earlier) earlier.push(value)
    else values.set(name, [value])
  }
  return formOf(values)
}
