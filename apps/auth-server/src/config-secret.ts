/** Secrets in the configuration: the text itself, or the name of an environment variable. */
import { z } from 'zod'

const minSecretLength = 8
const tooShort = 'is too short for a secret: generate one with `openssl rand -hex 32`'

export const secret = z.union([
  z.string().min(minSecretLength, tooShort),
  z.strictObject({ env: z.string().min(1) }),
])

export type Environment = Record<string, string | undefined>

/** A mistake of the operator: shown as it is, without a stack. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
}

/** @throws ConfigError that names the path and the variable */
export const readSecret = (
  value: z.output<typeof secret> | undefined,
  path: string,
  env: Environment,
): string | undefined => {
  if (value === undefined || typeof value === 'string') return value
  const found = env[value.env]
  if (!found) throw new ConfigError(`${path}: the environment variable ${value.env} is not set`)
  if (found.length < minSecretLength) throw new ConfigError(`${path}: ${value.env} ${tooShort}`)
  return found
}
