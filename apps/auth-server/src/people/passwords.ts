/** Password hashes: scrypt on Node's own threads, so the event loop keeps answering. RFC 7914. */
import { randomBytes, type ScryptOptions, scrypt, timingSafeEqual } from 'node:crypto'
import { createTurns } from './turns.js'

/** N = 2^`ln`. Memory is 128 · N · r bytes: 32 MiB. OWASP's choice of this strength. */
export interface PasswordCost {
  ln: number
  r: number
  p: number
}

const defaultCost: PasswordCost = { ln: 15, r: 8, p: 3 }

const saltBytes = 16
const keyBytes = 32

/** Half of the threads that Node has for this, which file system and name look-ups share. */
const alone = { atOnce: 2, waiting: 16 }

/** One worker has about one core: were each at two, a flood of sign-ins would have all of them. */
const amongWorkers = { atOnce: 1, waiting: 8 }

const derive = (password: string, salt: Buffer, { ln, r, p }: PasswordCost): Promise<Buffer> => {
  const options: ScryptOptions = { N: 2 ** ln, r, p, maxmem: 256 * 2 ** ln * r }
  return new Promise((resolve, reject) => {
    // NFKC: the same word from another keyboard is the same password.
    scrypt(password.normalize('NFKC'), salt, keyBytes, options, (error, key) =>
      error ? reject(error) : resolve(key),
    )
  })
}

const format = (cost: PasswordCost, salt: Buffer, key: Buffer): string =>
  `$scrypt$ln=${cost.ln},r=${cost.r},p=${cost.p}$${salt.toString('base64url')}$${key.toString('base64url')}`

const pattern = /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([\w-]+)\$([\w-]+)$/

export interface Passwords {
  /** @throws OAuthError 503 `sign_in_busy` */
  hash: (password: string) => Promise<string>
  /** @throws OAuthError 503 `sign_in_busy` */
  verify: (hash: string, password: string) => Promise<boolean>
}

/** About two seconds of waiting at most. @param workers processes that share this machine */
export const createPasswords = (cost: PasswordCost = defaultCost, workers = 1): Passwords => {
  const turns = createTurns(workers > 1 ? amongWorkers : alone)
  return {
    hash: async (password) => {
      const salt = randomBytes(saltBytes)
      return format(cost, salt, await turns(() => derive(password, salt, cost)))
    },
    verify: async (hash, password) => {
      const [, ln, r, p, salt, expected] = pattern.exec(hash) ?? []
      if (salt === undefined || expected === undefined) return false
      const given = { ln: Number(ln), r: Number(r), p: Number(p) }
      const key = await turns(() => derive(password, Buffer.from(salt, 'base64url'), given))
      const known = Buffer.from(expected, 'base64url')
      return known.length === key.length && timingSafeEqual(known, key)
    },
  }
}
