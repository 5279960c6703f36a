/** The pages before there is a session: sign-in, sign-up, confirming an address, a new password, a code. */
import type { FC } from 'hono/jsx'
import { Button, Field, Form, Links, Notice, Page } from './page.js'
import { passkeySignInScript } from './passkey-script.js'
import { texts } from './texts.js'

export interface FormPage {
  /** The path of the issuer, `''` at the root. */
  base: string
  token: string
  /** A path of ours. */
  returnTo: string
  problem?: string | undefined
}

const withReturn = (path: string, returnTo: string): string =>
  `${path}?${new URLSearchParams({ return_to: returnTo })}`

const Problem: FC<{ text: string | undefined }> = ({ text }) =>
  text === undefined ? null : <Notice kind="error">{text}</Notice>

const NewPassword: FC<{ label: string }> = ({ label }) => (
  <Field
    name="password"
    label={label}
    type="password"
    hint={texts.signUp.passwordHint}
    autocomplete="new-password"
    minlength={8}
    maxlength={256}
    required
  />
)

export interface SignInPageProps extends FormPage {
  email?: string | undefined
  notice?: string | undefined
  /** Where else they may have an account: the end of a path, and a name for the button. */
  providers: ReadonlyArray<readonly [id: string, name: string]>
  canSignUp: boolean
  /** Needs a host name: no browser makes one for an IP address. */
  passkeys: boolean
}

export const SignInPage: FC<SignInPageProps> = (props) => {
  const { base, token, returnTo, email, providers, passkeys } = props
  const forgot = [`${base}/reset-password`, texts.people.forgot] as const
  const signUp = [withReturn(`${base}/sign-up`, returnTo), texts.signIn.toSignUp] as const
  const links = props.canSignUp ? [forgot, signUp] : [forgot]
  return (
    <Page title={texts.signIn.title} script={passkeys ? passkeySignInScript : undefined}>
      <Problem text={props.problem} />
      {props.notice === undefined ? null : <Notice>{props.notice}</Notice>}
      <Form action={`${base}/sign-in`} token={token}>
        <input type="hidden" name="return_to" value={returnTo} />
        <Field
          name="email"
          label={texts.people.email}
          type="email"
          value={email}
          autocomplete="username webauthn"
          autofocus={email === undefined}
          autocapitalize="none"
          maxlength={254}
          required
        />
        <Field
          name="password"
          label={texts.people.password}
          type="password"
          autocomplete="current-password"
          autofocus={email !== undefined}
          required
        />
        <Button>{texts.people.signIn}</Button>
      </Form>
      {passkeys ? (
        <div id="passkey-box" hidden>
          <p class="or">{texts.people.or}</p>
          <button id="passkey" type="button" class="quiet" data-base={base} data-next={returnTo}>
            {texts.signIn.passkey}
          </button>
          <p id="passkey-fault" class="fault" role="alert" hidden>
            {texts.signIn.passkeyFailed}
          </p>
        </div>
      ) : null}
      {providers.length > 0 ? <p class="or">{texts.people.or}</p> : null}
      {providers.map(([id, name]) => (
        <a class="button" href={withReturn(`${base}/sign-in/with/${id}`, returnTo)}>
          {texts.signIn.with(name)}
        </a>
      ))}
      <Links items={links} />
    </Page>
  )
}

export interface SignUpPageProps extends FormPage {
  email?: string | undefined
  name?: string | undefined
  /** The address is that of the letter, and no other. */
  invited?: boolean
}

export const SignUpPage: FC<SignUpPageProps> = ({ base, token, returnTo, ...props }) => (
  <Page title={texts.signUp.title}>
    <Problem text={props.problem} />
    {props.invited ? <p>{texts.signUp.invited}</p> : null}
    <Form action={`${base}/sign-up`} token={token}>
      <input type="hidden" name="return_to" value={returnTo} />
      <Field
        name="name"
        label={texts.people.name}
        value={props.name}
        autocomplete="name"
        maxlength={200}
        autofocus
        required
      />
      <Field
        name="email"
        label={texts.people.email}
        type="email"
        value={props.email}
        autocomplete="username"
        autocapitalize="none"
        maxlength={254}
        required
        readonly={props.invited === true}
      />
      <NewPassword label={texts.people.password} />
      <Button>{texts.people.signUp}</Button>
    </Form>
    <Links items={[[withReturn(`${base}/sign-in`, returnTo), texts.signUp.toSignIn]]} />
  </Page>
)

export interface MessagePageProps {
  title: string
  text: string
  links?: ReadonlyArray<readonly [href: string, text: string]>
}

/** Something is done, and here is what comes next. */
export const MessagePage: FC<MessagePageProps> = ({ title, text, links = [] }) => (
  <Page title={title}>
    <Notice>{text}</Notice>
    {links.length > 0 ? <Links items={links} /> : null}
  </Page>
)

/** A click of a person: programs that look into mail open links, and must not confirm anything. */
export const VerifyEmailPage: FC<FormPage & { letter: string }> = (props) => (
  <Page title={texts.verifyEmail.title}>
    <Problem text={props.problem} />
    <p>{texts.verifyEmail.ask}</p>
    <Form action={`${props.base}/verify-email`} token={props.token}>
      <input type="hidden" name="token" value={props.letter} />
      <input type="hidden" name="return_to" value={props.returnTo} />
      <Button>{texts.verifyEmail.confirm}</Button>
    </Form>
  </Page>
)

export const AskResetPage: FC<Omit<FormPage, 'returnTo'>> = ({ base, token, problem }) => (
  <Page title={texts.reset.title}>
    <Problem text={problem} />
    <p>{texts.reset.ask}</p>
    <Form action={`${base}/reset-password`} token={token}>
      <Field
        name="email"
        label={texts.people.email}
        type="email"
        autocomplete="username"
        autocapitalize="none"
        maxlength={254}
        autofocus
        required
      />
      <Button>{texts.reset.send}</Button>
    </Form>
    <Links items={[[`${base}/sign-in`, texts.people.back]]} />
  </Page>
)

export const ResetPage: FC<Omit<FormPage, 'returnTo'> & { letter: string }> = (props) => (
  <Page title={texts.reset.title}>
    <Problem text={props.problem} />
    <Form action={`${props.base}/reset-password`} token={props.token}>
      <input type="hidden" name="token" value={props.letter} />
      <NewPassword label={texts.reset.newPassword} />
      <Button>{texts.reset.save}</Button>
    </Form>
  </Page>
)

export const TwoFactorPage: FC<FormPage> = ({ base, token, returnTo, problem }) => (
  <Page title={texts.twoFactor.title}>
    <Problem text={problem} />
    <p>{texts.twoFactor.ask}</p>
    <Form action={`${base}/two-factor`} token={token}>
      <input type="hidden" name="return_to" value={returnTo} />
      <Field
        name="code"
        label={texts.twoFactor.code}
        autocomplete="one-time-code"
        autocapitalize="none"
        spellcheck={false}
        maxlength={40}
        autofocus
        required
      />
      <Button>{texts.people.continue}</Button>
    </Form>
    <Links items={[[withReturn(`${base}/sign-in`, returnTo), texts.twoFactor.noCode]]} />
  </Page>
)
