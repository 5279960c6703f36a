/** Moments as servers write them. */

/** RFC 3339, with its offset: without one it would be this machine's local time. */
const timestamp = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/
const clock = '\\d\\d:\\d\\d:\\d\\d'
/** RFC 9110 §5.6.7: the form of today and the one of RFC 850. */
const gmtDate = new RegExp(
  `^(?:[A-Z][a-z]{2}, \\d\\d [A-Z][a-z]{2} \\d{4}|[A-Z][a-z]{5,8}, \\d\\d-[A-Z][a-z]{2}-\\d\\d) ${clock} GMT$`,
)
/** The same section's form of C, which does not say that it is in UTC. */
const asctime = new RegExp(`^[A-Z][a-z]{2} [A-Z][a-z]{2} [ \\d]\\d ${clock} \\d{4}$`)

const parse = (text: string): Date | undefined => {
  const date = new Date(text)
  return Number.isNaN(date.getTime()) ? undefined : date
}

/** A moment of a JSON body; `undefined` for anything else. */
export const readTimestamp = (value: unknown): Date | undefined =>
  typeof value === 'string' && timestamp.test(value) ? parse(value) : undefined

/** The date of a header, in any of the three forms; `undefined` for anything else. */
export const readHttpDate = (text: string): Date | undefined => {
  if (gmtDate.test(text)) return parse(text)
  return asctime.test(text) ? parse(`${text} GMT`) : undefined
}
