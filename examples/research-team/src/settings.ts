/** Every process is given a file with its own settings. No other process's secret is in it. */
import { readFileSync } from 'node:fs'
import { z } from 'zod'

export const agentSettings = z.object({
  issuer: z.url(),
  clientId: z.string(),
  clientSecret: z.string(),
  /** The MCP server that its tasks are about. */
  docs: z.url(),
})

/** @throws TypeError without a file, ZodError when it is not what this process needs */
export const readSettings = <Schema extends z.ZodType>(schema: Schema): z.output<Schema> => {
  const path = process.argv[2]
  if (path === undefined) throw new TypeError('usage: node <program>.js <settings.json>')
  return schema.parse(JSON.parse(readFileSync(path, 'utf8')))
}
