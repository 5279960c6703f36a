/** How long a document may be believed without asking again. RFC 9111, within bounds of our own. */

/** Not asked for at every request, whatever it says. */
const minSeconds = 60
/** When it says nothing. */
const defaultSeconds = 3600
/** A client that was changed or taken away is noticed within a day. */
const maxSeconds = 86_400

const directivesOf = (header: string): Map<string, string> =>
  new Map(
    header
      .toLowerCase()
      .split(',')
      .map((directive): [string, string] => {
        const [name = '', value = ''] = directive.split('=')
        return [name.trim(), value.trim().replaceAll('"', '')]
      }),
  )

const wholeSeconds = (text: string | undefined): number | undefined =>
  text !== undefined && /^\d{1,10}$/.test(text) ? Number(text) : undefined

const statedSeconds = (cacheControl: string, age: string | undefined): number => {
  const directives = directivesOf(cacheControl)
  if (directives.has('no-store') || directives.has('no-cache')) return 0
  const maxAge = wholeSeconds(directives.get('max-age'))
  // RFC 9111 §4.2.3: what it has spent in caches on the way counts.
  return maxAge === undefined ? defaultSeconds : maxAge - (wholeSeconds(age) ?? 0)
}

export const freshSeconds = (cacheControl = '', age?: string | undefined): number =>
  Math.min(maxSeconds, Math.max(minSeconds, statedSeconds(cacheControl, age)))
