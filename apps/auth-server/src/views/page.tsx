/** What all pages are made of: the frame, and the pieces of a form. They work without JavaScript. */
import type { Child, FC, PropsWithChildren } from 'hono/jsx'
import { style } from './style.js'
import { texts } from './texts.js'

export interface PageProps {
  /** The heading, and the name of the window. */
  title: string
  /** For lists and tables. */
  wide?: boolean
  /** Above the heading. `answerPage` has to let it in. */
  picture?: { src: string; alt: string } | undefined
  /** Text of a script that makes the page nicer. `answerPage` must be given the same. */
  script?: string | undefined
}

/** The frame. One heading, one `main`. */
export const Page: FC<PropsWithChildren<PageProps>> = ({
  title,
  wide,
  picture,
  script,
  children,
}) => (
  <html lang={texts.lang}>
    <head>
      <meta charset="utf-8" />
      <meta name="viewport" content="width=device-width, initial-scale=1" />
      <meta name="robots" content="noindex" />
      <title>{`${title} · ${texts.common.product}`}</title>
      <style dangerouslySetInnerHTML={{ __html: style }} />
    </head>
    <body>
      <main class={wide ? 'wide' : undefined}>
        {picture === undefined ? null : (
          <img
            class="logo"
            src={picture.src}
            alt={picture.alt}
            width="48"
            height="48"
            referrerpolicy="no-referrer"
          />
        )}
        <h1>{title}</h1>
        {children}
      </main>
      <footer>{texts.common.product}</footer>
      {script === undefined ? null : <script dangerouslySetInnerHTML={{ __html: script }} />}
    </body>
  </html>
)

export interface NoticeProps {
  kind?: 'info' | 'error' | 'warning'
}

/** Said aloud by screen readers: an error at once, the rest when there is time. */
export const Notice: FC<PropsWithChildren<NoticeProps>> = ({ kind = 'info', children }) => (
  <div class={`notice ${kind}`} role={kind === 'error' ? 'alert' : 'status'}>
    {children}
  </div>
)

export interface FieldProps {
  name: string
  label: string
  type?: 'text' | 'email' | 'password' | 'number' | 'date' | 'datetime-local' | 'url'
  value?: string | undefined
  hint?: string | undefined
  /** What is wrong with it. */
  fault?: string | undefined
  required?: boolean
  readonly?: boolean
  autocomplete?: string
  autofocus?: boolean
  inputmode?: 'text' | 'email' | 'numeric' | 'decimal'
  minlength?: number
  maxlength?: number
  min?: string
  max?: string
  step?: string
  pattern?: string
  spellcheck?: boolean
  autocapitalize?: 'none' | 'characters'
}

/** A label, what it means, the field, and what is wrong with it. */
export const Field: FC<FieldProps> = ({ label, hint, fault, type = 'text', ...input }) => {
  const id = `field-${input.name}`
  const described = [hint && `${id}-hint`, fault && `${id}-fault`].filter(Boolean).join(' ')
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {hint ? (
        <p class="hint" id={`${id}-hint`}>
          {hint}
        </p>
      ) : null}
      <input
        {...input}
        id={id}
        type={type}
        aria-describedby={described || undefined}
        aria-invalid={fault ? 'true' : undefined}
      />
      {fault ? (
        <p class="fault" id={`${id}-fault`}>
          {fault}
        </p>
      ) : null}
    </div>
  )
}

export interface ChoiceProps {
  type: 'radio' | 'checkbox'
  name: string
  value: string
  label: Child
  /** A line in smaller letters. */
  hint?: Child
  checked?: boolean
  required?: boolean
}

/** One of several in a `fieldset` with a `legend`. */
export const Choice: FC<ChoiceProps> = ({ label, hint, ...input }) => (
  <label class="choice">
    <input {...input} />
    <span>
      <strong>{label}</strong>
      {hint ? <small>{hint}</small> : null}
    </span>
  </label>
)

export interface ButtonProps {
  kind?: 'primary' | 'quiet' | 'danger'
  name?: string
  value?: string
  id?: string
  type?: 'submit' | 'button'
  hidden?: boolean
  /** Sends the form without asking for its required fields. */
  formnovalidate?: boolean
}

export const Button: FC<PropsWithChildren<ButtonProps>> = ({
  kind = 'primary',
  type = 'submit',
  children,
  ...button
}) => (
  <button {...button} type={type} class={kind}>
    {children}
  </button>
)

export const formTokenField = 'csrf'

export interface FormProps {
  /** From `issueFormToken`. */
  token: string
  /** A path without a query: no endpoint takes both a query and a body. */
  action: string
}

/** A form that posts, with the token that says that this page has made it. */
export const Form: FC<PropsWithChildren<FormProps>> = ({ token, action, children }) => (
  <form method="post" action={action}>
    <input type="hidden" name={formTokenField} value={token} />
    {children}
  </form>
)

/** Names and values: who asks, for what, until when. */
export const Facts: FC<{ rows: ReadonlyArray<readonly [name: string, value: Child]> }> = ({
  rows,
}) => (
  <dl class="facts">
    {rows.map(([name, value]) => (
      <>
        <dt>{name}</dt>
        <dd>{value}</dd>
      </>
    ))}
  </dl>
)

/** Where else one may want to go, under the form. */
export const Links: FC<{ items: ReadonlyArray<readonly [href: string, text: string]> }> = ({
  items,
}) => (
  <ul class="links">
    {items.map(([href, text]) => (
      <li>
        <a href={href}>{text}</a>
      </li>
    ))}
  </ul>
)

export interface ErrorPageProps {
  description: string
  hint?: string | undefined
  /** The names under which it is documented. */
  detail: string
}

/** Whatever went wrong, and what to do. */
export const ErrorPage: FC<ErrorPageProps> = ({
  description,
  hint = texts.common.goBack,
  detail,
}) => (
  <Page title={texts.common.problem}>
    <Notice kind="error">{description}</Notice>
    <p>{hint}</p>
    <p class="hint">{texts.common.forHelper(detail)}</p>
  </Page>
)
