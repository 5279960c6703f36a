/** Letting a device in: the code that it shows, and what came of it. RFC 8628 §3.3. */
import type { FC } from 'hono/jsx'
import { Button, Field, Form, Links, Notice, Page } from './page.js'
import { texts } from './texts.js'

const { device } = texts

export interface DeviceCodePageProps {
  token: string
  action: string
  email: string
  /** What was typed, or what the link said. */
  userCode: string | undefined
  fault?: string | undefined
}

/** The first step. A link can fill it in, and nothing more. */
export const DeviceCodePage: FC<DeviceCodePageProps> = ({
  token,
  action,
  email,
  userCode,
  fault,
}) => (
  <Page title={device.title}>
    <p>{device.signedIn(email)}</p>
    <Form token={token} action={action}>
      <Field
        name="user_code"
        label={device.label}
        hint={device.hint}
        value={userCode}
        fault={fault}
        required
        autofocus
        autocomplete="one-time-code"
        autocapitalize="characters"
        spellcheck={false}
        maxlength={40}
      />
      <Button>{device.next}</Button>
    </Form>
  </Page>
)

/** Above the question: a code that somebody else sent is how people are tricked (RFC 8628 §5.4). */
export const DeviceWarning: FC<{ userCode: string }> = ({ userCode }) => (
  <Notice kind="warning">
    <p>
      {device.compare} <strong>{userCode}</strong>
    </p>
    <p>{device.beware}</p>
  </Notice>
)

export const DeviceDonePage: FC<{ approved: boolean; account: string }> = ({
  approved,
  account,
}) => (
  <Page title={approved ? device.approved : device.denied}>
    <p>{approved ? device.approvedText : device.deniedText}</p>
    <Links items={[[account, device.account]]} />
  </Page>
)
