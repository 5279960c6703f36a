/** A server that nobody can sign in to. */
import type { People } from './person.js'

export const noPeople: People = {
  sessionOf: async () => undefined,
  find: async () => undefined,
  signOut: async () => [],
  handle: async () => new Response(null, { status: 404 }),
}
