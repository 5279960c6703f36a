/** Reads `WWW-Authenticate`. RFC 9110 §11.6.1, RFC 6750 §3, RFC 9728 §5.1. */

export interface Challenge {
  scheme: string
  parameters: ReadonlyMap<string, string>
}

const token = "[!#$%&'*+.^_`|~0-9A-Za-z-]+"
const piece = new RegExp(
  `\\s*,?\\s*(?:(${token})\\s*=\\s*(?:"((?:[^"\\\\]|\\\\.)*)"|(${token}))|(${token})(?=\\s|,|$))`,
  'y',
)

/** Several challenges may share one header. What cannot be read ends the reading. */
export const parseChallenges = (header: string | undefined): Challenge[] => {
  const challenges: { scheme: string; parameters: Map<string, string> }[] = []
  if (header === undefined || header.length > 8192) return challenges
  piece.lastIndex = 0
  for (let match = piece.exec(header); match; match = piece.exec(header)) {
    const [, name, quoted, bare, scheme] = match
    if (scheme !== undefined)
      challenges.push({ scheme: scheme.toLowerCase(), parameters: new Map() })
    else if (name !== undefined) {
      const value = quoted?.replace(/\\(.)/g, '$1') ?? bare ?? ''
      challenges.at(-1)?.parameters.set(name.toLowerCase(), value)
    }
  }
  return challenges
}

/** The one for access tokens. */
export const tokenChallenge = (header: string | undefined): Challenge | undefined =>
  parseChallenges(header).find(({ scheme }) => scheme === 'bearer' || scheme === 'dpop')
