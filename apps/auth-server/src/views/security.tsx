/** What a person can change about their own sign-in, and which organization they act in. */
import type { FC, PropsWithChildren } from 'hono/jsx'
import type { Membership } from '../people/person.js'
import { Button, Choice, Field, Form, Links, Notice, Page } from './page.js'
import { passkeyAddScript } from './passkey-script.js'
import { texts } from './texts.js'

export interface SecurityPageProps {
  base: string
  token: string
  email: string
  name: string
  hasCodes: boolean
  passkeys: ReadonlyArray<{ id: string; name: string }>
  canAddPasskey: boolean
  problem?: string | undefined
  notice?: string | undefined
}

const Said: FC<{ problem?: string | undefined; notice?: string | undefined }> = (props) => (
  <>
    {props.problem === undefined ? null : <Notice kind="error">{props.problem}</Notice>}
    {props.notice === undefined ? null : <Notice>{props.notice}</Notice>}
  </>
)

const Password: FC = () => (
  <Field
    name="password"
    label={texts.people.password}
    type="password"
    autocomplete="current-password"
    required
  />
)

const Name: FC<SecurityPageProps> = ({ base, token, name }) => (
  <section aria-labelledby="name">
    <h2 id="name">{texts.security.nameTitle}</h2>
    <Form action={`${base}/account/security/name`} token={token}>
      <Field
        name="name"
        label={texts.people.name}
        hint={texts.security.nameHint}
        value={name}
        autocomplete="name"
        maxlength={200}
        required
      />
      <Button kind="quiet">{texts.security.saveName}</Button>
    </Form>
  </section>
)

const ChangePassword: FC<SecurityPageProps> = ({ base, token }) => (
  <section aria-labelledby="password">
    <h2 id="password">{texts.security.passwordTitle}</h2>
    <p>{texts.security.passwordHint}</p>
    <Form action={`${base}/account/security/password`} token={token}>
      <Field
        name="current"
        label={texts.security.currentPassword}
        type="password"
        autocomplete="current-password"
        required
      />
      <Field
        name="next"
        label={texts.security.newPassword}
        type="password"
        hint={texts.signUp.passwordHint}
        autocomplete="new-password"
        minlength={8}
        maxlength={256}
        required
      />
      <Button kind="quiet">{texts.security.savePassword}</Button>
    </Form>
  </section>
)

const Codes: FC<Pick<SecurityPageProps, 'base' | 'token' | 'hasCodes'>> = ({
  base,
  token,
  hasCodes,
}) => (
  <section aria-labelledby="codes">
    <h2 id="codes">{texts.security.twoFactor}</h2>
    <p>{hasCodes ? texts.security.twoFactorOn : texts.security.twoFactorOff}</p>
    <Form action={`${base}/account/security/two-factor`} token={token}>
      <Password />
      <Button kind={hasCodes ? 'danger' : 'primary'} name="do" value={hasCodes ? 'stop' : 'start'}>
        {hasCodes ? texts.security.stop : texts.security.start}
      </Button>
    </Form>
  </section>
)

const Passkeys: FC<SecurityPageProps> = ({ base, token, passkeys, canAddPasskey }) => (
  <section aria-labelledby="passkeys">
    <h2 id="passkeys">{texts.security.passkeys}</h2>
    <p>{passkeys.length > 0 ? texts.security.passkeysIntro : texts.security.noPasskeys}</p>
    {passkeys.map(({ id, name }) => (
      <div class="card row">
        <span>{name}</span>
        <Form action={`${base}/account/security/passkeys/remove`} token={token}>
          <Button kind="danger" name="id" value={id}>
            {`${texts.security.remove} ${name}`}
          </Button>
        </Form>
      </div>
    ))}
    {canAddPasskey ? (
      <>
        <div id="passkey-box" hidden>
          <button
            id="passkey"
            type="button"
            class="quiet"
            data-base={base}
            data-next={`${base}/account/security`}
          >
            {texts.security.addPasskey}
          </button>
          <p id="passkey-fault" class="fault" role="alert" hidden>
            {texts.signIn.passkeyFailed}
          </p>
        </div>
        <noscript>{texts.security.passkeyNeedsScript}</noscript>
      </>
    ) : null}
  </section>
)

export const SecurityPage: FC<SecurityPageProps> = (props) => (
  <Page title={texts.security.title} script={props.canAddPasskey ? passkeyAddScript : undefined}>
    <Said {...props} />
    <p>{texts.security.intro(props.email)}</p>
    <Name {...props} />
    <ChangePassword {...props} />
    <Codes {...props} />
    <Passkeys {...props} />
    <Links items={[[`${props.base}/account`, texts.people.back]]} />
  </Page>
)

export interface SetUpCodesPageProps {
  base: string
  token: string
  uri: string
  backupCodes: readonly string[]
  problem?: string | undefined
}

/** In groups of four, as apps show it. */
const readableKey = (uri: string): string =>
  (new URL(uri).searchParams.get('secret') ?? '').replace(/(.{4})(?=.)/g, '$1 ')

export const SetUpCodesPage: FC<SetUpCodesPageProps> = ({ base, token, uri, backupCodes }) => (
  <Page title={texts.security.setUpTitle}>
    <p>{texts.security.key}</p>
    <p>
      <code>{readableKey(uri)}</code>
    </p>
    <p>
      <a href={uri}>{texts.security.openApp}</a>
    </p>
    <p>{texts.security.backup}</p>
    <ul class="codes">
      {backupCodes.map((code) => (
        <li>
          <code>{code}</code>
        </li>
      ))}
    </ul>
    <ConfirmCodes base={base} token={token} />
  </Page>
)

export const ConfirmCodes: FC<{ base: string; token: string }> = ({ base, token }) => (
  <Form action={`${base}/account/security/two-factor`} token={token}>
    <Field
      name="code"
      label={texts.security.firstCode}
      autocomplete="one-time-code"
      inputmode="numeric"
      maxlength={6}
      required
    />
    <Button name="do" value="confirm">
      {texts.security.confirm}
    </Button>
  </Form>
)

/** The first code was wrong: the key is in the app already. */
export const ConfirmCodesPage: FC<{ base: string; token: string; problem: string }> = (props) => (
  <Page title={texts.security.setUpTitle}>
    <Notice kind="error">{props.problem}</Notice>
    <ConfirmCodes base={props.base} token={props.token} />
  </Page>
)

export interface OrganizationsPageProps {
  base: string
  token: string
  returnTo: string
  memberships: readonly Membership[]
  activeTenantId: string | undefined
  problem?: string | undefined
  notice?: string | undefined
}

/** Its children are about the one that they act in. */
export const OrganizationsPage: FC<PropsWithChildren<OrganizationsPageProps>> = (props) => {
  const open = props.memberships.filter(({ disabled }) => !disabled)
  if (open.length === 0) {
    return (
      <Page title={texts.organizations.title}>
        <Said {...props} />
        <Notice>{texts.organizations.none}</Notice>
      </Page>
    )
  }
  const chosen = props.activeTenantId ?? (open.length === 1 ? open[0]?.tenant_id : undefined)
  return (
    <Page title={texts.organizations.title} wide>
      <Said {...props} />
      <Form action={`${props.base}/account/organization`} token={props.token}>
        <input type="hidden" name="return_to" value={props.returnTo} />
        <fieldset>
          <legend>{texts.organizations.ask}</legend>
          {open.map(({ tenant_id, name, orgRole }) => (
            <Choice
              type="radio"
              name="tenant_id"
              value={tenant_id}
              label={name}
              hint={texts.organizations.roles[orgRole]}
              checked={tenant_id === chosen}
              required
            />
          ))}
        </fieldset>
        <Button>{texts.organizations.choose}</Button>
      </Form>
      {props.children}
    </Page>
  )
}
