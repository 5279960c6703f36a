/**
 * Shapes of JSON, as predicates. For what a verifier reads: a schema library takes longer than all
 * else about a token but its signature, and would be most of the code that an edge function loads.
 */

export type Guard<T> = (value: unknown) => value is T

/** Of each member, what it has to be. */
export type Shape<T> = { readonly [Name in keyof T]-?: Guard<T[Name]> }

export const isText = (value: unknown): value is string => typeof value === 'string'

export const isBoolean = (value: unknown): value is boolean => typeof value === 'boolean'

/** Whole, exact, and between these. */
export const isInteger =
  (least = Number.MIN_SAFE_INTEGER, most = Number.MAX_SAFE_INTEGER): Guard<number> =>
  (value): value is number =>
    typeof value === 'number' && Number.isSafeInteger(value) && value >= least && value <= most

export const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

export const optional =
  <T>(isIt: Guard<T>): Guard<T | undefined> =>
  (value): value is T | undefined =>
    value === undefined || isIt(value)

export const oneOf =
  <T extends string>(values: readonly T[]): Guard<T> =>
  (value): value is T =>
    values.some((one) => one === value)

export const listOf =
  <T>(isIt: Guard<T>, least = 0, most = Number.POSITIVE_INFINITY): Guard<T[]> =>
  (value): value is T[] =>
    Array.isArray(value) && value.length >= least && value.length <= most && value.every(isIt)

/** The first member that is not what it should be; `undefined` when all are. Others are passed over. */
export const malformedMember = <T>(
  value: Readonly<Record<string, unknown>>,
  shape: Shape<T>,
): string | undefined => {
  // Not `Object.entries`: this runs for each token, and it would make a list of lists each time.
  for (const name in shape) if (!shape[name](value[name])) return name
  return undefined
}

/** An object with these members, each named here. It may have more. */
export const objectOf =
  <T>(shape: Shape<T>): Guard<T> =>
  (value): value is T =>
    isObject(value) && malformedMember(value, shape) === undefined
