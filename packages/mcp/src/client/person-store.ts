/** What is kept between a person's visits: a registration, tokens, and a sign-in that is under way. */

/** Keeps text under names: a file, a keychain, a row. What it keeps are secrets. */
export interface PersonStorage {
  get(name: string): string | undefined | Promise<string | undefined>
  /** `undefined` deletes. */
  set(name: string, text: string | undefined): void | Promise<void>
}

export interface KeptClient {
  client_id: string
  client_secret?: string
  token_endpoint_auth_method?: string
  issuer?: string
}

export interface KeptTokens {
  access_token: string
  refresh_token?: string
  scope: string
  /** Seconds since 1970. */
  expires_at: number
  refresh_at: number
  issuer: string
  token_endpoint: string
}

export interface KeptDiscovery {
  authorizationServerUrl: string
  authorizationServerMetadata: {
    issuer: string
    authorization_endpoint: string
    token_endpoint: string
    response_types_supported: string[]
    code_challenge_methods_supported: string[]
    authorization_response_iss_parameter_supported?: boolean
  }
  resourceMetadata: { resource: string }
}

/** A sign-in from its start to its answer. */
export interface KeptFlow {
  state?: string
  verifier?: string
  discovery?: KeptDiscovery
  /** The answer was good: what was found out before it counts for the exchange of the code. */
  answered?: boolean
}

export interface PersonStore {
  client: Slot<KeptClient>
  tokens: Slot<KeptTokens>
  flow: Slot<KeptFlow>
}

export interface Slot<T> {
  read(): Promise<T | undefined>
  write(value: T | undefined): Promise<void>
}

type Members<T> = (value: Partial<Record<keyof T, unknown>>) => boolean

/** What somebody else has left there, or a version before this one, counts as nothing. */
const createSlot = <T extends object>(
  storage: PersonStorage,
  name: string,
  fits: Members<T>,
): Slot<T> => {
  const isKept = (value: unknown): value is T =>
    typeof value === 'object' && value !== null && fits(value)
  return {
    read: async () => {
      const text = await storage.get(name)
      if (text === undefined) return undefined
      try {
        const value: unknown = JSON.parse(text)
        return isKept(value) ? value : undefined
      } catch {
        return undefined
      }
    },
    write: async (value) => storage.set(name, value && JSON.stringify(value)),
  }
}

const isText = (value: unknown): boolean => typeof value === 'string' && value !== ''

export const createPersonStore = (storage: PersonStorage, resource: string): PersonStore => ({
  client: createSlot(storage, `${resource} client`, ({ client_id }) => isText(client_id)),
  tokens: createSlot(
    storage,
    `${resource} tokens`,
    ({ access_token, issuer, token_endpoint, expires_at, refresh_at }) =>
      [access_token, issuer, token_endpoint].every(isText) &&
      [expires_at, refresh_at].every((time) => typeof time === 'number'),
  ),
  flow: createSlot(storage, `${resource} flow`, () => true),
})
