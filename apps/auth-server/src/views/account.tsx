/** "What may act for me": consents, what is going on under them, what it cost, and taking it back. */
import type { FC, PropsWithChildren } from 'hono/jsx'
import type { LiveConnection, LiveConsent } from '../authorization/acting-for.js'
import { Button, Facts, Form, Links, Notice, Page } from './page.js'
import { texts } from './texts.js'

const words = texts.account

type LinkList = ReadonlyArray<readonly [href: string, text: string]>

interface Paged {
  /** From 0. */
  page: number
  hasMore: boolean
}

interface FormTarget {
  /** Of the account pages: `/account` below the issuer's path. */
  path: string
  token: string
}

/** Where the page is that a form leads back to. */
interface Place {
  page: number
  consentId?: string | undefined
}

export type AccountNotice = 'done' | 'gone'

export interface AccountPageProps extends FormTarget, Paged {
  email: string
  /** Where else one may want to go. */
  links: LinkList
  consents: readonly LiveConsent[]
  /** What a form has just come to. */
  notice: AccountNotice | undefined
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

type TargetProps = FormTarget & { place: Place }

const RevokeForm: FC<PropsWithChildren<TargetProps & { name: string; value: string }>> = (
  props,
) => (
  <Form action={`${props.path}/revoke`} token={props.token}>
    <input type="hidden" name={props.name} value={props.value} />
    <input type="hidden" name="page" value={String(props.place.page)} />
    {props.place.consentId === undefined ? null : (
      <input type="hidden" name="of" value={props.place.consentId} />
    )}
    {props.children}
  </Form>
)

const Connection: FC<TargetProps & { connection: LiveConnection }> = ({
  connection: { id, actor, chain, lastUsed, spentUsd },
  ...target
}) => (
  <li>
    <p>
      {words.connection(actor, chain)}
      {' · '}
      {lastUsed === undefined ? words.neverUsed : words.lastUsed(lastUsed)}
      {spentUsd === undefined ? null : ` · ${words.noCap(spentUsd)}`}
    </p>
    <RevokeForm {...target} name="delegation_id" value={id}>
      <Button kind="quiet">{words.stop}</Button>
    </RevokeForm>
  </li>
)

const Connections: FC<TargetProps & { connections: readonly LiveConnection[] }> = ({
  connections,
  ...target
}) => (
  <>
    <h3>{words.connections}</h3>
    <ul>
      {connections.map((connection) => (
        <Connection {...target} connection={connection} />
      ))}
    </ul>
  </>
)

const pagesOf = (at: (page: number) => string, { page, hasMore }: Paged): LinkList => [
  ...(page > 0 ? [[at(page - 1), words.fewer] as const] : []),
  ...(hasMore ? [[at(page + 1), words.more] as const] : []),
]

const Pages: FC<{ items: LinkList }> = ({ items }) =>
  items.length > 0 ? <Links items={items} /> : null

/** @param children between what is acting and the way to end it all */
const ConsentCard: FC<PropsWithChildren<TargetProps & { consent: LiveConsent }>> = ({
  consent,
  children,
  ...target
}) => (
  <section class="card">
    <h2>{consent.clientName}</h2>
    <Facts rows={factsOf(consent)} />
    {consent.connections.length === 0 ? null : (
      <Connections {...target} connections={consent.connections} />
    )}
    {children}
    <RevokeForm {...target} name="consent_id" value={consent.id}>
      <Button kind="danger">{words.revoke(consent.clientName)}</Button>
    </RevokeForm>
  </section>
)

const consentAt = (path: string, id: string, page: number): string =>
  `${path}/consent?${new URLSearchParams({ id, ...(page > 0 && { page: String(page) }) })}`

const NoticeOf: FC<{ notice: AccountNotice | undefined }> = ({ notice }) =>
  notice === undefined ? null : <Notice>{words[notice]}</Notice>

export const AccountPage: FC<AccountPageProps> = (props) => {
  const { path, token, email, links, consents, notice, page } = props
  return (
    <Page title={words.title} wide>
      <p>{email}</p>
      <NoticeOf notice={notice} />
      {consents.length === 0 ? <p>{page > 0 ? words.noMore : words.nobody}</p> : null}
      {consents.map((consent) => (
        <ConsentCard {...{ path, token, consent }} place={{ page }}>
          {consent.hasMore ? (
            <Links items={[[consentAt(path, consent.id, 0), words.allConnections]]} />
          ) : null}
        </ConsentCard>
      ))}
      <Pages items={pagesOf((one) => (one > 0 ? `${path}?page=${one}` : path), props)} />
      <Links items={links} />
    </Page>
  )
}

export interface ConsentPageProps extends FormTarget {
  page: number
  consent: LiveConsent
  notice: AccountNotice | undefined
}

/** One consent, and all that is acting under it, page by page. */
export const AccountConsentPage: FC<ConsentPageProps> = ({
  path,
  token,
  page,
  consent,
  notice,
}) => {
  const paged = { page, hasMore: consent.hasMore }
  return (
    <Page title={words.title} wide>
      <NoticeOf notice={notice} />
      <ConsentCard {...{ path, token, consent }} place={{ page, consentId: consent.id }}>
        {page > 0 && consent.connections.length === 0 ? <p>{words.noMore}</p> : null}
        <Pages items={pagesOf((one) => consentAt(path, consent.id, one), paged)} />
      </ConsentCard>
      <Links items={[[path, words.back]]} />
    </Page>
  )
}
