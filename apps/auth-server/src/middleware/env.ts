/** What middleware leaves for the endpoints behind it. */
import type { Form } from '../form.js'
import type { Client } from '../store/clients.js'

/** Read one by one with `c.get`: `c.var` copies all of them each time. */
export interface Env {
  Variables: {
    form: Form
    json: unknown
    /** The answer is a page, an error too. */
    isPage: boolean | undefined
    /** The members of a JSON object, each there once. */
    members: Record<string, unknown>
    /** The client that has authenticated. */
    client: Client
    /** What it may do at the server's own API: with a token, what the token says. */
    apiScope: readonly string[]
  }
}
