/** A guard that takes the word of its callers: for tests of what comes after the check of a token. */
import { type Caller, createVerifier } from '@behalf/verifier'
import { type AuthInfo, type Guard, type ProtectMcpOptions, protectMcp } from '../src/server.js'

export const options = { issuer: 'https://auth.example', resource: 'https://api.example/mcp' }

type Known = Partial<Caller>

const callerOf = (token: string, known: Known): Caller => ({
  subject: 'usr_alice',
  actor: 'reader',
  chain: [],
  tenantId: 'acme',
  clientId: 'reader',
  role: 'agent',
  agentType: undefined,
  scope: ['docs:read'],
  limits: {},
  lineage: ['dlg_1'],
  claims: { aud: options.resource },
  expiresAt: new Date(4e12),
  token,
  ...known,
})

/** What each made-up token says. */
const tokens = new Map<string | null, Known>()

export const headersOf = (known: Known) => {
  const Authorization = `Bearer ${tokens.size}`
  tokens.set(Authorization, known)
  return { Authorization }
}

export const guardOf = (more: Partial<ProtectMcpOptions> = {}): Guard => {
  const { issuer, resource } = options
  const verifier = createVerifier({ issuer, audience: resource, revocation: 'off' })
  const verify: typeof verifier.verify = async (input) => {
    const text = typeof input === 'string' ? input : input.headers.get('authorization')
    return callerOf(text ?? '', tokens.get(text) ?? {})
  }
  return protectMcp({ ...options, verifier: { ...verifier, verify }, ...more })
}

export const letIn = async (guard: Guard, known: Known): Promise<AuthInfo> => {
  const answer = await guard.authenticate(
    new Request(options.resource, { headers: headersOf(known) }),
  )
  if (answer instanceof Response) throw new Error(`kept out by ${answer.status}`)
  return answer
}
