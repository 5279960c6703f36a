/** Which version of all that is registered a row was read at. See `registry.ts`. */

/** In the statement that reads the row, so by the same snapshot. */
export const asOfColumn = '(select version::text from registry_version) as as_of'

/** For a statement that writes: was it decided on what is registered now? Without a version, yes. */
export const isCurrent = (asOf: string): string =>
  `(${asOf} is null or ${asOf} = (select version::text from registry_version))`
