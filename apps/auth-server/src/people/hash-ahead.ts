/**
 * better-auth burns the token of a reset before it hashes the new password. A hash that is turned away
 * by a full queue would leave a person with a used link, so it is made before, and handed in.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import type { Passwords } from './passwords.js'

export interface PasswordHashing extends Passwords {
  /** Hashes first, then runs; every hash that the run asks for is that one. */
  ahead: <T>(password: string, run: () => Promise<T>) => Promise<T>
}

export const hashAhead = (passwords: Passwords): PasswordHashing => {
  const made = new AsyncLocalStorage<{ password: string; hash: string }>()
  return {
    ...passwords,
    hash: async (password) => {
      const known = made.getStore()
      return known?.password === password ? known.hash : passwords.hash(password)
    },
    ahead: async (password, run) => {
      const hash = await passwords.hash(password)
      return made.run({ password, hash }, run)
    },
  }
}
