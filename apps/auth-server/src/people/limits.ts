/** Guessing is bounded: for each account, for each address, and over all servers. */
import { rateLimitFields } from '../rate-limits/rate-limit-fields.js'
import type { Store } from '../store/store.js'
import { refusePerson } from './refusal.js'

type Kind = 'sign-in' | 'sign-up' | 'letter' | 'code' | 'password'

const windowSeconds = 900

/**
 * One who knows an address could keep its owner out, so the small bound is for both together, and the
 * one for the account alone is wide.
 */
const bounds: Readonly<Record<Kind, { pair: number; account: number; address: number }>> = {
  'sign-in': { pair: 10, account: 100, address: 100 },
  'sign-up': { pair: 5, account: 5, address: 30 },
  letter: { pair: 5, account: 5, address: 30 },
  code: { pair: 10, account: 30, address: 100 },
  // Of who is signed in, and tries to learn the password that made it so.
  password: { pair: 10, account: 30, address: 100 },
}

export interface Try {
  kind: Kind
  /** An e-mail address, or the id of a person. Undefined where nobody has been named yet. */
  account: string | undefined
  /** Undefined where it is not known, such as behind a proxy on this host. */
  address: string | undefined
}

const countersOf = ({ kind, account, address }: Try) => {
  const { pair, account: perAccount, address: perAddress } = bounds[kind]
  const ofAddress =
    address === undefined ? [] : [{ name: `${kind}:address:${address}`, most: perAddress }]
  // A name that all share would let anybody use up the tries of all.
  if (account === undefined) return ofAddress
  return [
    // First: whoever has used it up makes no more rows by naming ever new accounts.
    ...ofAddress,
    { name: `${kind}:pair:${account}:${address ?? ''}`, most: pair },
    { name: `${kind}:account:${account}`, most: perAccount },
  ]
}

const daySeconds = 86_400

/** Letters that an organization can make us write: in a day, and to one address in a day. */
const invitationBounds = { tenant: 100, pair: 5, email: 10 }

const invitationCounters = (tenantId: string, email: string) => [
  { name: `invitation:pair:${tenantId} ${email}`, most: invitationBounds.pair },
  { name: `invitation:email:${email}`, most: invitationBounds.email },
  { name: `invitation:tenant:${tenantId}`, most: invitationBounds.tenant },
]

const secondsUntil = (endsAt: Date, now: Date): number =>
  Math.max(1, Math.ceil((endsAt.getTime() - now.getTime()) / 1000))

export const createLimits = ({ attempts }: Pick<Store, 'attempts'>, now: () => Date) => ({
  /** @throws OAuthError 429 `too_many_invitations` */
  countInvitation: async (tenantId: string, email: string): Promise<void> => {
    for (const { name, most } of invitationCounters(tenantId, email)) {
      const one = { name, windowSeconds: daySeconds, now: now() }
      const { count, endsAt } = await attempts.count(one)
      if (count <= most) continue
      const policy = { name: 'invitation', limit: most, windowSeconds: daySeconds }
      const fields = rateLimitFields(policy, secondsUntil(endsAt, now()))
      throw refusePerson('too_many_invitations', fields)
    }
  },
  /** Counts before the work is done. @throws OAuthError 429 `too_many_attempts` */
  count: async (one: Try): Promise<void> => {
    for (const { name, most } of countersOf(one)) {
      const { count, endsAt } = await attempts.count({ name, windowSeconds, now: now() })
      if (count <= most) continue
      const fields = rateLimitFields(
        { name: one.kind, limit: most, windowSeconds },
        secondsUntil(endsAt, now()),
      )
      throw refusePerson('too_many_attempts', fields)
    }
  },
  /** It was them: their own mistakes no longer count. The address goes on counting. */
  clear: async (one: Try): Promise<void> => {
    for (const { name } of countersOf({ ...one, address: undefined })) await attempts.clear(name)
    for (const { name } of countersOf(one).slice(-2)) await attempts.clear(name)
  },
})

export type Limits = ReturnType<typeof createLimits>
