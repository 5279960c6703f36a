/** The one thing of Node's that the tests need: what its console makes of a value. */
declare module 'node:util' {
  export const inspect: (value: unknown, options?: object) => string
}
