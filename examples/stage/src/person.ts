/** A person at a browser: signs in, reads what is asked, says yes. By the forms of the real pages. */

export interface Credentials {
  email: string
  password: string
}

/** Follows an authorization request to its end. @returns where the browser is sent, with the code */
export type Person = (start: URL) => Promise<URL>

/** What the browser would send if she pressed the button. */
const fieldsOf = (html: string): Record<string, string> => {
  const [, form = ''] = /<form[^>]*>(.*?)<\/form>/s.exec(html) ?? []
  const fields = [...form.matchAll(/<input[^>]*>/g)].flatMap(([tag]): [string, string][] => {
    const at = (name: string) => new RegExp(`\\s${name}="([^"]*)"`).exec(tag)?.[1]
    const isOff = /type="(radio|checkbox)"/.test(tag) && !/\schecked/.test(tag)
    const name = at('name')
    return name === undefined || isOff ? [] : [[name, (at('value') ?? '').replaceAll('&amp;', '&')]]
  })
  return Object.fromEntries(fields)
}

const createBrowser = (issuer: string) => {
  const cookies = new Map<string, string>()
  return async (url: URL, form?: Record<string, string>): Promise<Response> => {
    const response = await fetch(url, {
      redirect: 'manual',
      headers: {
        Cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; '),
        Origin: new URL(issuer).origin,
      },
      ...(form && { method: 'POST', body: new URLSearchParams(form) }),
    })
    for (const line of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? []
      cookies.set(name, value)
    }
    return response
  }
}

export const createPerson = (issuer: string, credentials: Credentials): Person => {
  const browse = createBrowser(issuer)
  const answerPage = async (url: URL, html: string): Promise<Response> => {
    const [, action] = /<form[^>]*\saction="([^"]+)"/.exec(html) ?? []
    if (action === undefined) throw new Error(`${url.pathname} asks nothing`)
    const answer: object = action.endsWith('/sign-in') ? credentials : { decision: 'allow' }
    return browse(new URL(action, url), { ...fieldsOf(html), ...answer })
  }
  return async (start) => {
    let url = start
    let response = await browse(url)
    for (let step = 0; step < 8; step += 1) {
      const location = response.headers.get('location')
      if (location === null) response = await answerPage(url, await response.text())
      else {
        url = new URL(location, url)
        if (url.origin !== new URL(issuer).origin) return url
        response = await browse(url)
      }
    }
    throw new Error('The pages lead nowhere.')
  }
}
