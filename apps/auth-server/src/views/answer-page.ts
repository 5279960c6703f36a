/** A page as an answer: nobody frames it, keeps it, or makes it load or run anything. */
import type { Context } from 'hono'
import type { Child } from 'hono/jsx'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import { cspHash, styleHash } from './style.js'

export interface PageOptions {
  status?: number
  /**
   * Origins, or schemes such as `cursor:`, that a form of this page may end at by a redirect:
   * browsers hold redirects, too, against `form-action`.
   */
  formTargets?: readonly string[]
  /** Whence images may come, such as the logo of a client. */
  images?: readonly string[]
  /** The text of the page's script. It may talk to this server. */
  script?: string | undefined
}

const policy = ({ formTargets = [], images = [], script }: PageOptions): string =>
  [
    "default-src 'none'",
    `style-src ${styleHash}`,
    ...(images.length > 0 ? [`img-src ${images.join(' ')}`] : []),
    ...(script === undefined ? [] : [`script-src ${cspHash(script)}`, "connect-src 'self'"]),
    `form-action ${["'self'", ...formTargets].join(' ')}`,
    "frame-ancestors 'none'",
    "base-uri 'none'",
  ].join('; ')

export const pageHeaders = (options: PageOptions = {}): Record<string, string> => ({
  'Cache-Control': 'no-store',
  'Content-Security-Policy': policy(options),
  'X-Frame-Options': 'DENY',
  'X-Content-Type-Options': 'nosniff',
  // With `no-referrer` a browser says `Origin: null` when it sends a form.
  'Referrer-Policy': 'same-origin',
})

export const answerPage = (c: Context, page: Child, options: PageOptions = {}): Response =>
  c.html(
    `<!doctype html>${String(page)}`,
    (options.status ?? 200) as ContentfulStatusCode,
    pageHeaders(options),
  ) as Response
