/** What may act for a person: their consents, and the delegations that are alive under each. */
import { actorChain } from '@behalf/protocol'
import { readBalance } from '../budgets/show-budget.js'
import type { Deps } from '../deps.js'
import type { PersonSession } from '../people/person.js'
import { type Consent, consentBudget } from '../store/consents.js'
import type { Delegation } from '../store/delegations.js'

/** A delegation that is alive under a consent. */
export interface LiveConnection {
  id: string
  actor: string
  /** Who asked it, the nearest first. */
  chain: string | undefined
  lastUsed: string | undefined
  spentUsd: string | undefined
}

export interface LiveConsent {
  id: string
  clientName: string
  organization: string | undefined
  scopes: readonly string[]
  resources: readonly string[]
  since: string
  until: string | undefined
  spentUsd: string
  capUsd: string | undefined
  requestsPerHour: number | undefined
  connections: readonly LiveConnection[]
}

const maxConnections = 100

const dayOf = (date: Date): string => date.toISOString().slice(0, 10)
const minuteOf = (date: Date): string => `${date.toISOString().slice(0, 16).replace('T', ' ')} UTC`

/** Of all that hangs from it, what somebody holds; the root itself is the consent. */
const liveUnder = async (consent: Consent, deps: Deps): Promise<Delegation[]> => {
  const filter = { tenantId: consent.tenant_id, subject: consent.subject, party: undefined }
  const rest = { actor: undefined, under: undefined, after: undefined, limit: maxConnections }
  const all = await deps.store.delegations.list({ ...filter, ...rest }, deps.now())
  const budget = consentBudget(consent.id)
  return all.filter((one) => one.parent_id !== undefined && one.budget_ids.includes(budget))
}

/** Who asked whom; the first of the chain is the one that acts. */
const chainOf = ({ act }: Delegation): string | undefined => {
  const [, ...earlier] = actorChain(act)
  return earlier.length === 0 ? undefined : earlier.map(({ sub }) => sub).join(', ')
}

const connectionsOf = async (consent: Consent, deps: Deps): Promise<LiveConnection[]> => {
  const alive = await liveUnder(consent, deps)
  const lastUsed = await deps.store.delegations.lastUsed(alive.map(({ id }) => id))
  return Promise.all(
    alive.map(async (one) => {
      const used = lastUsed.get(one.id)
      const hasOwnBudget = one.budget_ids.at(-1) === one.id
      const balance = hasOwnBudget ? await readBalance(one.budget_ids, deps) : undefined
      return {
        id: one.id,
        actor: one.actor,
        chain: chainOf(one),
        lastUsed: used && minuteOf(used),
        spentUsd: balance?.spent_usd,
      }
    }),
  )
}

const describe = async (
  consent: Consent,
  { memberships }: PersonSession,
  deps: Deps,
): Promise<LiveConsent> => {
  const [client, balance, connections] = await Promise.all([
    deps.store.clients.find(consent.client_id),
    readBalance([consentBudget(consent.id)], deps),
    connectionsOf(consent, deps),
  ])
  return {
    id: consent.id,
    clientName: client?.client_name ?? consent.client_id,
    organization: memberships.find(({ tenant_id }) => tenant_id === consent.tenant_id)?.name,
    scopes: consent.scope,
    resources: consent.resources,
    since: dayOf(consent.created_at),
    until: consent.expires_at && minuteOf(consent.expires_at),
    spentUsd: balance.spent_usd,
    capUsd: balance.cap_usd,
    requestsPerHour: consent.limits.requestsPerHour,
    connections,
  }
}

export const actingFor = async (session: PersonSession, deps: Deps): Promise<LiveConsent[]> => {
  const consents = await deps.store.consents.listLive(session.person.sub, deps.now())
  return Promise.all(consents.map((consent) => describe(consent, session, deps)))
}

/** @returns false when there is no such thing of this person's, or no longer */
export const stopDelegation = async (
  id: string,
  subject: string,
  { store, now }: Deps,
): Promise<boolean> => {
  const delegation = await store.delegations.find(id)
  if (delegation?.subject !== subject) return false
  return (await store.revocations.revoke({ delegation_id: id }, 'revoked_by_person', now())) > 0
}
