/** The `fetch` of a transport beside its provider: what the SDKs post for each request, posted once for all. */
import type { Fetch } from '@behalf/client'
import type { HeldToken, IssuedTokens, Lock } from './held-token.js'
import type { AskedScope } from './scope-plan.js'

export interface TransportFetchOptions {
  held: HeldToken
  lock: Lock
  lockName: string
  fetch: Fetch
}

export interface TransportFetch {
  fetch: (input: string | URL | Request, init?: RequestInit) => Promise<Response>
  /** This is the form of a token request: the SDKs post the very object that they have shown. */
  mark(form: URLSearchParams, scope: AskedScope): void
}

const bearerOf = (headers: RequestInit['headers']): string | undefined =>
  /^Bearer (.+)$/i.exec(new Headers(headers).get('authorization') ?? '')?.[1]

const isIssued = (value: unknown): value is IssuedTokens =>
  typeof value === 'object' &&
  value !== null &&
  'access_token' in value &&
  typeof value.access_token === 'string' &&
  'token_type' in value &&
  typeof value.token_type === 'string'

/** Kept before anybody reads it, so that whoever comes a moment later asks for no other. */
const keep = async (held: HeldToken, response: Response): Promise<void> => {
  try {
    const issued: unknown = await response.clone().json()
    if (response.ok && isIssued(issued)) held.save(issued)
  } catch {
    // The SDK reads the same answer, and says what is wrong with it.
  }
}

export const createTransportFetch = (options: TransportFetchOptions): TransportFetch => {
  const { held, lock, lockName, fetch: carry } = options
  const forms = new WeakMap<object, { scope: AskedScope }>()
  const flights = new Map<string, Promise<Response>>()

  const ask = async (name: string, post: () => Promise<Response>): Promise<Response> => {
    try {
      const response = await lock(lockName, post)
      await keep(held, response)
      return response
    } finally {
      flights.delete(name)
    }
  }
  const token = async (scope: AskedScope, post: () => Promise<Response>): Promise<Response> => {
    const good = held.good(scope)
    if (good) return Response.json(good)
    const name = scope?.join(' ') ?? ''
    const flight = flights.get(name) ?? ask(name, post)
    flights.set(name, flight)
    return (await flight).clone()
  }
  return {
    mark: (form, scope) => {
      forms.set(form, { scope })
    },
    fetch: async (input, init) => {
      held.watch()
      const form = init?.body instanceof URLSearchParams ? forms.get(init.body) : undefined
      if (form) return token(form.scope, async () => carry(input, init))
      const response = await carry(input, init)
      const isRefused = response.status === 401 || response.status === 403
      if (isRefused) held.refused(bearerOf(init?.headers))
      return response
    },
  }
}
