/** Who a server on stdio is: what the program that started it has put into its environment. */
import { createAgent, type Fetch } from '@behalf/client'

/** `process.env`, or what stands for it elsewhere. */
export type Environment = Readonly<Record<string, string | undefined>>

export interface EnvironmentOptions {
  /** The resource that the tokens are for: the server's own name. */
  resource: string
  scope?: string | readonly string[] | undefined
  fetch?: Fetch | undefined
}

const read = (env: Environment, name: string): string => {
  const value = env[name]
  if (value !== undefined && value !== '') return value
  throw new TypeError(`${name} is not set: name it in \`env\` where the server is configured.`)
}

const createNamed = (env: Environment, fetch: Fetch | undefined) => {
  const issuer = read(env, 'OAUTH_AUTH_URL')
  const clientId = read(env, 'OAUTH_CLIENT_ID')
  const clientSecret = read(env, 'OAUTH_CLIENT_SECRET')
  try {
    return createAgent({ issuer, clientId, clientSecret, fetch })
  } catch {
    throw new TypeError('OAUTH_AUTH_URL must be the issuer, exactly as the server spells itself.')
  }
}

/**
 * Reads `OAUTH_AUTH_URL`, `OAUTH_CLIENT_ID` and `OAUTH_CLIENT_SECRET`, as a desktop application passes
 * them to a server that it spawns. MCP Authorization: servers on stdio take credentials from there.
 *
 * @returns a function that gives a token of that client, kept until shortly before it expires
 * @throws TypeError when one is missing
 */
export const tokenFromEnvironment = (
  env: Environment,
  { resource, scope, fetch }: EnvironmentOptions,
): (() => Promise<string>) => {
  const agent = createNamed(env, fetch)
  return async () => (await agent.token({ resource, scope })).accessToken
}
