/** What middleware leaves for the endpoints behind it. */
import type { AccessToken } from '@behalf/protocol'
import type { Form } from '../form.js'
import type { Client } from '../store/clients.js'

export interface Env {
  Variables: {
    form: Form
    json: unknown
    /** The client that has authenticated. */
    client: Client
    /** The access token it came with, at the server's own API, if it came with one. */
    apiToken: AccessToken | undefined
  }
}
