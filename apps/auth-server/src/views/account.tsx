/** "What may act for me": consents, what is going on under them, what it cost, and taking it back. */
import type { FC } from 'hono/jsx'
import type { LiveConnection, LiveConsent } from '../authorization/acting-for.js'
import { Button, Facts, Form, Links, Notice, Page } from './page.js'
import { texts } from './texts.js'

const words = texts.account

export interface AccountPageProps {
  action: string
  token: string
  email: string
  /** Where else one may want to go. */
  links: ReadonlyArray<readonly [href: string, text: string]>
  consents: readonly LiveConsent[]
  /** What a form has just come to. */
  notice: 'done' | 'gone' | undefined
}

type Row = readonly [name: string, value: string]

const money = ({ spentUsd, capUsd }: LiveConsent): string =>
  capUsd === undefined ? words.noCap(spentUsd) : words.ofCap(spentUsd, capUsd)

const factsOf = (consent: LiveConsent): Row[] => [
  ...(consent.organization === undefined ? [] : [[words.as, consent.organization] as const]),
  ...(consent.scopes.length === 0 ? [] : [[words.may, consent.scopes.join(', ')] as const]),
  ...(consent.resources.length === 0 ? [] : [[words.at, consent.resources.join(', ')] as const]),
  [words.spent, money(consent)],
  ...(consent.requestsPerHour === undefined
    ? []
    : [[words.requests, String(consent.requestsPerHour)] as const]),
  [words.since, consent.since],
  [words.until, consent.until ?? words.untilRevoked],
]

type FormProps = Pick<AccountPageProps, 'action' | 'token'>

const Connection: FC<FormProps & { connection: LiveConnection }> = ({
  action,
  token,
  connection: { id, actor, chain, lastUsed, spentUsd },
}) => (
  <li>
    <p>
      {words.connection(actor, chain)}
      {' · '}
      {lastUsed === undefined ? words.neverUsed : words.lastUsed(lastUsed)}
      {spentUsd === undefined ? null : ` · ${words.noCap(spentUsd)}`}
    </p>
    <Form action={action} token={token}>
      <input type="hidden" name="delegation_id" value={id} />
      <Button kind="quiet">{words.stop}</Button>
    </Form>
  </li>
)

const ConsentCard: FC<FormProps & { consent: LiveConsent }> = ({ action, token, consent }) => (
  <section class="card">
    <h2>{consent.clientName}</h2>
    <Facts rows={factsOf(consent)} />
    {consent.connections.length === 0 ? null : (
      <>
        <h3>{words.connections}</h3>
        <ul>
          {consent.connections.map((connection) => (
            <Connection action={action} token={token} connection={connection} />
          ))}
        </ul>
      </>
    )}
    <Form action={action} token={token}>
      <input type="hidden" name="consent_id" value={consent.id} />
      <Button kind="danger">{words.revoke(consent.clientName)}</Button>
    </Form>
  </section>
)

export const AccountPage: FC<AccountPageProps> = ({
  action,
  token,
  email,
  links,
  consents,
  notice,
}) => (
  <Page title={words.title} wide>
    <p>{email}</p>
    {notice === undefined ? null : <Notice>{words[notice]}</Notice>}
    {consents.length === 0 ? <p>{words.nobody}</p> : null}
    {consents.map((consent) => (
      <ConsentCard action={action} token={token} consent={consent} />
    ))}
    <Links items={links} />
  </Page>
)
