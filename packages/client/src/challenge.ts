/** The challenges of a `WWW-Authenticate` header. RFC 9110 §11.6.1. */

export interface Challenge {
  /** Lower case: schemes are compared without regard to it. */
  scheme: string
  /** By lower-case name. */
  params: ReadonlyMap<string, string>
}

/** Longer headers than this are not read. */
const maxLength = 8192

const token = "[!#$%&'*+.^_`|~0-9A-Za-z-]+"
const separators = /[\s,]*/y
const param = new RegExp(`(${token})[ \\t]*=[ \\t]*(?:"((?:[^"\\\\]|\\\\.)*)"|(${token}))`, 'y')
const scheme = new RegExp(`(${token})(?=[ \\t,]|$)`, 'y')
const token68 = /[ \t]+[A-Za-z0-9._~+/-]+=*(?=[ \t]*(?:,|$))/y

const matchAt = (pattern: RegExp, text: string, index: number): RegExpExecArray | null => {
  pattern.lastIndex = index
  return pattern.exec(text)
}

const readParam = (params: Map<string, string>, match: RegExpExecArray): boolean => {
  const [, name = '', quoted, plain = ''] = match
  const key = name.toLowerCase()
  if (params.has(key)) return false
  params.set(key, quoted === undefined ? plain : quoted.replace(/\\(.)/g, '$1'))
  return true
}

/**
 * Reads every challenge of a header, which may hold several. One that breaks the grammar, or names
 * a parameter twice, says nothing at all.
 */
export const parseChallenges = (header: string | null): readonly Challenge[] => {
  const text = header ?? ''
  const challenges: { scheme: string; params: Map<string, string> }[] = []
  if (text.length > maxLength) return []
  let index = matchAt(separators, text, 0)?.[0].length ?? 0
  while (index < text.length) {
    const current = challenges.at(-1)
    const pair = current && matchAt(param, text, index)
    const name = pair ? null : matchAt(scheme, text, index)
    if (pair && !readParam(current.params, pair)) return []
    if (!pair && !name) return []
    index += (pair ?? name)?.[0].length ?? 0
    if (name?.[1]) {
      challenges.push({ scheme: name[1].toLowerCase(), params: new Map() })
      index += matchAt(token68, text, index)?.[0].length ?? 0
    }
    index += matchAt(separators, text, index)?.[0].length ?? 0
  }
  return challenges
}

/** The bearer challenge of a response, if there is one. RFC 6750 §3. */
export const bearerChallenge = (response: Response): Challenge | undefined =>
  parseChallenges(response.headers.get('www-authenticate')).find(
    (challenge) => challenge.scheme === 'bearer',
  )
