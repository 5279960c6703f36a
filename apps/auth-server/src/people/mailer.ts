/** Letters to people. A mailer is one function: bring your own by a webhook. */
import { createHmac } from 'node:crypto'
import type { Logger } from 'pino'

export interface Letter {
  to: string
  subject: string
  /** Plain words; the link stands in a line of its own. */
  text: string
  link: string
}

export type Mailer = (letter: Letter) => Promise<void>

const timeoutMs = 10_000

/** For development: whoever runs the server on their own machine reads the link in its log. */
export const printingMailer =
  (log: Logger): Mailer =>
  async ({ to, subject, link }) => {
    log.info({ to, link }, `${subject}: open this link (no mail is set up, so it is printed here)`)
  }

/** Off the developer's machine a link in a log is a key in a log. */
export const missingMailer =
  (log: Logger): Mailer =>
  async ({ subject }) => {
    log.error({ subject }, 'no mail was sent: set people.mail.webhook_url in the configuration')
  }

export interface WebhookOptions {
  url: string
  /** Signs the body: `X-Behalf-Signature: sha256=<hex>`. */
  secret?: string | undefined
  fetch?: typeof fetch
}

/** Posts the letter as JSON to whatever sends mail in your house. */
export const webhookMailer = ({ url, secret, fetch: send = fetch }: WebhookOptions): Mailer =>
  async function post(letter) {
    const body = JSON.stringify(letter)
    const signature = secret && createHmac('sha256', secret).update(body).digest('hex')
    const response = await send(url, {
      method: 'POST',
      body,
      headers: {
        'Content-Type': 'application/json',
        ...(signature && { 'X-Behalf-Signature': `sha256=${signature}` }),
      },
      redirect: 'error',
      signal: AbortSignal.timeout(timeoutMs),
    })
    if (!response.ok) throw new Error(`the mail webhook answered ${response.status}`)
  }
