/**
 * Has this password leaked somewhere? Asked by k-anonymity: five characters of its SHA-1 leave the
 * house, the answer is every hash that begins so. The protocol of Have I Been Pwned's range API.
 */
import { createHash } from 'node:crypto'
import type { Logger } from 'pino'

export interface BreachedPasswordsOptions {
  /** `https://api.pwnedpasswords.com`, or a copy of it in the house. */
  url: string
  whenUnreachable: 'allow' | 'refuse'
  log: Logger
  fetch?: typeof fetch
}

export type PasswordStanding = 'fine' | 'breached' | 'unknown'

const prefixLength = 5
const timeoutMs = 3000
/** A thousand lines and their padding are 40 KiB. */
const maxAnswerBytes = 512 * 1024

/** Padding lines have a count of 0: they are there to hide how long the answer is. */
const isListed = (answer: string, suffix: string): boolean =>
  answer.split('\n').some((line) => {
    const [hash = '', count = ''] = line.trim().split(':')
    return hash.toUpperCase() === suffix && Number(count) > 0
  })

const readBounded = async (response: Response): Promise<string> => {
  const chunks: Uint8Array[] = []
  let bytes = 0
  const body = response.body as unknown as AsyncIterable<Uint8Array> | null
  for await (const chunk of body ?? []) {
    bytes += chunk.length
    if (bytes > maxAnswerBytes) throw new Error('the answer is too long')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('latin1')
}

/** @returns `unknown` when the service does not answer and that is to be a refusal */
export const createBreachedPasswords = (options: BreachedPasswordsOptions) => {
  const { url, whenUnreachable, log, fetch: send = fetch } = options
  const ask = async (prefix: string): Promise<string> => {
    const response = await send(`${url.replace(/\/$/, '')}/range/${prefix}`, {
      headers: { 'Add-Padding': 'true', 'User-Agent': 'behalf' },
      redirect: 'error',
      signal: AbortSignal.timeout(timeoutMs),
    })
    if (response.ok) return readBounded(response)
    throw new Error(`status ${response.status}`)
  }
  return async (password: string): Promise<PasswordStanding> => {
    const hash = createHash('sha1').update(password).digest('hex').toUpperCase()
    try {
      const answer = await ask(hash.slice(0, prefixLength))
      return isListed(answer, hash.slice(prefixLength)) ? 'breached' : 'fine'
    } catch (error) {
      const { name, message } = error as Error
      const entry = { url, error: name, message, password: whenUnreachable }
      log.warn(entry, 'the list of breached passwords cannot be asked')
      return whenUnreachable === 'allow' ? 'fine' : 'unknown'
    }
  }
}
