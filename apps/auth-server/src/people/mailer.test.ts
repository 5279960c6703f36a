import { createHmac } from 'node:crypto'
import { pino } from 'pino'
import { expect, test } from 'vitest'
import { type Letter, missingMailer, printingMailer, webhookMailer } from './mailer.js'

const letter: Letter = {
  to: 'alice@acme.test',
  subject: 'Set a new password',
  text: 'words',
  link: 'https://as.example/reset-password?token=secret-token',
}

const createLog = () => {
  const lines: string[] = []
  return { lines, log: pino({}, { write: (line: string) => lines.push(line) }) }
}

test('a developer reads the link in the log', async () => {
  const { lines, log } = createLog()
  await printingMailer(log)(letter)
  expect(lines.join()).toContain(letter.link)
})

test('where no mail is set up, the log says so and holds no link', async () => {
  const { lines, log } = createLog()
  await missingMailer(log)(letter)
  expect(lines.join()).toContain('people.mail.webhook_url')
  expect(lines.join()).not.toContain('secret-token')
})

test('a webhook gets the whole letter, signed, and its refusal is an error', async () => {
  const requests: Request[] = []
  let status = 202
  const fetch = async (input: RequestInfo | URL, init?: RequestInit) => {
    requests.push(new Request(input, init))
    return new Response(null, { status })
  }
  const mailer = webhookMailer({ url: 'https://mail.example/in', secret: 'mail secret', fetch })
  await mailer(letter)
  const body = (await requests[0]?.text()) ?? ''
  expect(JSON.parse(body)).toEqual(letter)
  const mac = createHmac('sha256', 'mail secret').update(body).digest('hex')
  expect(requests[0]?.headers.get('x-behalf-signature')).toBe(`sha256=${mac}`)
  status = 500
  await expect(mailer(letter)).rejects.toThrow('answered 500')
})
