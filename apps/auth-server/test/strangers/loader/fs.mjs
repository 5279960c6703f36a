/** `node:fs` with the one name that Node 20 lacks. None of the commands in use here calls it. */
export * from 'node:fs'
export { default } from 'node:fs'

export const globSync = () => {
  throw new Error('fs.globSync needs Node 22')
}
