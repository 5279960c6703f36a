/** The consent page: who asks, for what, as a member of what, and within which limits. */
import type { Child, FC } from 'hono/jsx'
import type { ClientPages } from '../authorization/client-pages.js'
import { expiryDays, type Faults, type LimitFields } from '../authorization/consent-limits.js'
import type { Membership } from '../people/person.js'
import { Button, Choice, Facts, Field, Form, Notice, Page } from './page.js'
import { texts } from './texts.js'

const words = texts.consent

/** A resource and what is asked there; without one, what is said of the person. */
export interface ConsentTarget {
  resource: string | undefined
  scopes: readonly { word: string; description: string | undefined }[]
}

export interface ConsentPageProps {
  action: string
  /** Of the form. */
  token: string
  /** What names the request that waits for the answer. */
  hidden: readonly [name: string, value: string]
  isAgent: boolean
  clientName: string
  pages: ClientPages
  /** What else is known of who asks. */
  about: Child
  email: string
  targets: readonly ConsentTarget[]
  organizations: readonly Membership[]
  chosen: string | undefined
  /** For agents. */
  limits: LimitFields | undefined
  faults: Faults
  mostUsd: string | undefined
  spentUsd: string | undefined
  canDelegate: boolean
}

const identityWords: Readonly<Record<string, string>> = words.identity

const inWords = ({ resource }: ConsentTarget, word: string, description: string | undefined) => {
  if (description !== undefined) return description
  return resource === undefined ? (identityWords[word] ?? word) : <code>{word}</code>
}

const Target: FC<{ target: ConsentTarget }> = ({ target }) => (
  <section class="card">
    <h3>{target.resource === undefined ? words.aboutYou : words.atResource(target.resource)}</h3>
    {target.scopes.length === 0 ? (
      <p>{words.nothingNamed}</p>
    ) : (
      <ul>
        {target.scopes.map(({ word, description }) => (
          <li>{inWords(target, word, description)}</li>
        ))}
      </ul>
    )}
  </section>
)

const Organizations: FC<Pick<ConsentPageProps, 'organizations' | 'chosen'>> = ({
  organizations,
  chosen,
}) => {
  const [only] = organizations
  if (!only) return null
  if (organizations.length === 1) {
    return (
      <>
        <Facts rows={[[words.organization, only.name]]} />
        <input type="hidden" name="tenant_id" value={only.tenant_id} />
      </>
    )
  }
  return (
    <fieldset>
      <legend>{words.organization}</legend>
      {organizations.map(({ tenant_id, name }) => (
        <Choice
          type="radio"
          name="tenant_id"
          value={tenant_id}
          label={name}
          checked={tenant_id === chosen}
          required
        />
      ))}
    </fieldset>
  )
}

const Expiry: FC<{ value: string; isWrong: boolean }> = ({ value, isWrong }) => (
  <fieldset>
    <legend>{words.expiry}</legend>
    {isWrong ? <p class="fault">{words.expiryFault}</p> : null}
    {expiryDays.map(String).map((days) => (
      <Choice
        type="radio"
        name="expires_in_days"
        value={days}
        label={words.days(days)}
        checked={days === value}
        required
      />
    ))}
  </fieldset>
)

const Limits: FC<ConsentPageProps & { limits: LimitFields }> = ({
  limits,
  faults,
  mostUsd,
  spentUsd,
  canDelegate,
}) => (
  <>
    <h2>{words.limits}</h2>
    <Field
      name="cost_budget_usd"
      label={words.cap}
      value={limits.cost_budget_usd}
      hint={words.capHint(mostUsd, spentUsd)}
      fault={faults.cost_budget_usd && words.capFault}
      autofocus={faults.cost_budget_usd === true}
      inputmode="decimal"
      autocomplete="off"
      maxlength={30}
      required
    />
    <Field
      name="requests_per_hour"
      label={words.requests}
      value={limits.requests_per_hour}
      hint={words.requestsHint}
      fault={faults.requests_per_hour && words.requestsFault}
      autofocus={faults.requests_per_hour === true && faults.cost_budget_usd !== true}
      inputmode="numeric"
      autocomplete="off"
      maxlength={10}
    />
    <Expiry value={limits.expires_in_days} isWrong={faults.expires_in_days === true} />
    {canDelegate ? (
      <fieldset>
        <Choice
          type="checkbox"
          name="may_delegate"
          value="yes"
          label={words.delegate}
          hint={words.delegateHint}
          checked={limits.may_delegate}
        />
      </fieldset>
    ) : null}
  </>
)

const Outside: FC<{ href: string | undefined; text: string }> = ({ href, text }) =>
  href === undefined ? null : (
    <li>
      <a href={href} target="_blank" rel="noopener noreferrer">
        {text}
      </a>
    </li>
  )

/** In a window of their own, so that the question stays where it is. */
const ClientLinks: FC<{ name: string; pages: ClientPages }> = ({ name, pages }) => {
  const { home, policy, terms } = pages
  if ((home ?? policy ?? terms) === undefined) return null
  return (
    <ul class="links">
      <Outside href={home} text={words.home(name)} />
      <Outside href={policy} text={words.policy(name)} />
      <Outside href={terms} text={words.terms(name)} />
    </ul>
  )
}

export interface DestinationProps {
  host: string
  isLoopback: boolean
  /** The host of the document that says who it is, where that is how it is known. */
  describedAt: string | undefined
}

/** Where the answer goes, and who says so: what an application cannot choose as it likes. */
export const Destination: FC<DestinationProps> = ({ host, isLoopback, describedAt }) => (
  <>
    <Facts
      rows={[
        [words.goesTo, <strong>{host}</strong>],
        ...(describedAt === undefined ? [] : [[words.describedAt, describedAt] as const]),
      ]}
    />
    <Notice kind={isLoopback ? 'warning' : 'info'}>
      {isLoopback ? words.loopback : words.unverified}
    </Notice>
  </>
)

export const ConsentPage: FC<ConsentPageProps> = (props) => {
  const { isAgent, clientName, pages, about, email, targets, limits, hidden } = props
  const [name, value] = hidden
  const picture = pages.logo && { src: pages.logo, alt: words.logo(clientName) }
  return (
    <Page
      title={isAgent ? words.agentTitle(clientName) : words.appTitle(clientName)}
      picture={picture || undefined}
    >
      {Object.values(props.faults).includes(true) ? (
        <Notice kind="error">{words.notYet}</Notice>
      ) : null}
      {about}
      <Facts rows={[[words.signedInAs, email]]} />
      <h2>{words.mayDo}</h2>
      {targets.map((target) => (
        <Target target={target} />
      ))}
      <Form action={props.action} token={props.token}>
        <input type="hidden" name={name} value={value} />
        <Organizations organizations={props.organizations} chosen={props.chosen} />
        {limits === undefined ? null : <Limits {...props} limits={limits} />}
        <p class="hint">{words.takeBack}</p>
        <div class="row">
          <Button name="decision" value="allow">
            {words.allow}
          </Button>
          <Button kind="quiet" name="decision" value="deny" formnovalidate>
            {words.deny}
          </Button>
        </div>
      </Form>
      <ClientLinks name={clientName} pages={pages} />
    </Page>
  )
}
