/** A person at the server's own pages: signs in, reads what is asked, says yes. Over HTTP, by the forms. */
import { fieldsOf } from '../browser.js'
import { createBrowser } from '../harness.js'

export interface Person {
  email: string
  password: string
}

/** No way through the pages is longer than sign-in, consent and the redirects between them. */
const mostSteps = 8

const pathOf = ({ pathname, search }: URL): string => pathname + search

const actionOf = (html: string): string => {
  const [, action] = /<form[^>]*\saction="([^"]+)"/.exec(html) ?? []
  if (action === undefined) {
    const text = html.replace(/<style.*?<\/style>|<[^>]+>/gs, ' ').replace(/\s+/g, ' ')
    throw new Error(`a page with nothing to answer: ${text.trim()}`)
  }
  return action
}

export const createVisitor = (issuer: string, person: Person) => {
  const request = (path: string, init?: RequestInit): Promise<Response> =>
    fetch(new URL(path, issuer), { ...init, redirect: 'manual' })
  const browser = createBrowser({ request }, issuer)
  /** The last consent page. */
  let consentPage = ''

  const fillIn = (html: string, decision: string): Promise<Response> => {
    const action = actionOf(html)
    const hidden = fieldsOf(html)
    if (action.endsWith('/sign-in')) return browser.post(action, { ...hidden, ...person })
    if (!action.endsWith('/consent')) throw new Error(`a form that goes to ${action}`)
    consentPage = html
    return browser.post(action, { ...hidden, decision })
  }

  /** @returns the address outside of the server where the person is sent in the end */
  const visit = async (url: URL | string, decision = 'allow'): Promise<URL> => {
    consentPage = ''
    let answer = await browser.get(pathOf(new URL(url)))
    for (let step = 0; step < mostSteps; step += 1) {
      const location = answer.headers.get('location')
      const next = location === null ? undefined : new URL(location, issuer)
      if (next && next.origin !== new URL(issuer).origin) return next
      answer = next ? await browser.get(pathOf(next)) : await fillIn(await answer.text(), decision)
    }
    throw new Error('the pages lead nowhere')
  }

  return { visit, consentPage: (): string => consentPage }
}

export type Visitor = ReturnType<typeof createVisitor>
