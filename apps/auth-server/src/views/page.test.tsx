import { Hono } from 'hono'
import { expect, test } from 'vitest'
import { answerPage } from './answer-page.js'
import { Field, Form, Notice, Page } from './page.js'

const page = (
  <Page title="A <b> title">
    <Notice kind="error">{'<script>alert(1)</script>'}</Notice>
    <Form action="/sign-in" token="t">
      <Field
        name="email"
        label="E-mail"
        type="email"
        value={'"><img>'}
        fault="Wrong"
        hint="Yours"
      />
    </Form>
  </Page>
)

const answer = () =>
  new Hono().get('/', (c) => answerPage(c, page, { formTargets: ['cursor:'] })).request('/')

test('whatever a page is told to show is text', async () => {
  const html = await (await answer()).text()
  expect(html).toMatch(/^<!doctype html><html lang="en">/)
  expect(html).toContain('A &lt;b&gt; title')
  expect(html).not.toMatch(/<script|<img/)
})

test('a field is tied to its label, its hint and what is wrong with it', async () => {
  const html = await (await answer()).text()
  expect(html).toContain('<label for="field-email">')
  expect(html).toContain('aria-describedby="field-email-hint field-email-fault"')
  expect(html).toContain('aria-invalid="true"')
  expect(html).toContain('id="field-email-fault"')
})

test('a page cannot be framed, is not kept, and runs and loads nothing', async () => {
  const { headers } = await answer()
  const policy = headers.get('content-security-policy') ?? ''
  expect(policy).toMatch(
    /^default-src 'none'; style-src 'sha256-[^']+'; form-action 'self' cursor:;/,
  )
  expect(policy).toContain("frame-ancestors 'none'")
  expect(policy).toContain("base-uri 'none'")
  expect(policy).not.toMatch(/script-src|unsafe/)
  expect(headers.get('x-frame-options')).toBe('DENY')
  expect(headers.get('cache-control')).toBe('no-store')
  expect(headers.get('x-content-type-options')).toBe('nosniff')
})
