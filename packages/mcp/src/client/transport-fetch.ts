/** The `fetch` of a transport beside its provider: what the SDKs post for each request, posted once for all. */
import type { Fetch } from '@behalf/client'
import { tokenChallenge } from '../conformance/challenge.js'
import type { HeldToken, IssuedTokens, Lock } from './held-token.js'
import { rememberSeconds } from './remembered-refusal.js'
import type { AskedScope } from './scope-plan.js'

export interface TransportFetchOptions {
  held: HeldToken
  lock: Lock
  lockName: string
  fetch: Fetch
  /** Milliseconds since 1970. */
  now: () => number
}

export interface TransportFetch {
  fetch: (input: string | URL | Request, init?: RequestInit) => Promise<Response>
  /** This is the form of a token request: the SDKs post the very object that they have shown. */
  mark(form: URLSearchParams, scope: AskedScope): void
}

const bearerOf = (headers: RequestInit['headers']): string | undefined =>
  /^Bearer (.+)$/i.exec(new Headers(headers).get('authorization') ?? '')?.[1]

/** RFC 6750 §3: the scope that a challenge names. */
const challengedBy = ({ headers }: Response): string | undefined =>
  tokenChallenge(headers.get('www-authenticate') ?? undefined)?.parameters.get('scope')

/** Not those that say to try again. */
const isRefusal = ({ status }: Response): boolean => status >= 400 && status < 429

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
  const { held, lock, lockName, fetch: carry, now } = options
  const forms = new WeakMap<object, { scope: AskedScope }>()
  const flights = new Map<string, Promise<Response>>()
  /** The last one alone, whatever scope it was for: nobody asks for many. */
  let refusal: { name: string; answer: Response; until: number } | undefined

  const ask = async (name: string, post: () => Promise<Response>): Promise<Response> => {
    try {
      const response = await lock(lockName, post)
      await keep(held, response)
      refusal = isRefusal(response)
        ? { name, answer: response.clone(), until: now() + rememberSeconds * 1000 }
        : undefined
      return response
    } finally {
      flights.delete(name)
    }
  }
  const token = async (scope: AskedScope, post: () => Promise<Response>): Promise<Response> => {
    const good = held.good(scope)
    if (good) return Response.json(good)
    const name = scope?.join(' ') ?? ''
    if (refusal?.name === name && now() < refusal.until) return refusal.answer.clone()
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
      if (isRefused) held.refused(bearerOf(init?.headers), challengedBy(response))
      return response
    },
  }
}
