/** Objects that hold a credential and do not show it. */

/** What Node, Deno and Bun call when an object is logged. */
const inspect = Symbol.for('nodejs.util.inspect.custom')

/**
 * Freezes an object whose named members can be read by name and are in no log: not enumerable, so
 * JSON, spreading and cloning pass them over, and absent from what a console prints.
 */
export const hide = <T extends object>(object: T, ...names: (keyof T)[]): Readonly<T> => {
  for (const name of names) Object.defineProperty(object, name, { enumerable: false })
  Object.defineProperty(object, inspect, { value: () => ({ ...object }), enumerable: false })
  return Object.freeze(object)
}
