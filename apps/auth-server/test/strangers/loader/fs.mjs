/** What the tool imports of `node:fs`, and the one name that Node 20 lacks: the command in use never calls it. */
export {
  existsSync,
  mkdtempSync,
  promises,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs'

export const globSync = () => {
  throw new Error('fs.globSync needs Node 22')
}
