/** Signing out: the question before it, and the word after it. */
import type { FC } from 'hono/jsx'
import { Button, Form, Links, Page } from './page.js'
import { texts } from './texts.js'

const { logout } = texts

export interface LogoutPageProps {
  token: string
  action: string
  account: string
  email: string
  /** Who sent the person here, if anybody has. */
  client: string | undefined
  /** What is asked again with the answer. */
  parameters: readonly (readonly [name: string, value: string])[]
}

export const LogoutPage: FC<LogoutPageProps> = ({
  token,
  action,
  account,
  email,
  client,
  parameters,
}) => (
  <Page title={logout.title}>
    <p>{client === undefined ? logout.question(email) : logout.asked(client, email)}</p>
    <Form token={token} action={action}>
      {parameters.map(([name, value]) => (
        <input type="hidden" name={name} value={value} />
      ))}
      <Button>{logout.confirm}</Button>
    </Form>
    <Links items={[[account, logout.stay]]} />
  </Page>
)

export const SignedOutPage: FC<{ signIn: string }> = ({ signIn }) => (
  <Page title={logout.done}>
    <p>{logout.doneText}</p>
    <Links items={[[signIn, logout.again]]} />
  </Page>
)
