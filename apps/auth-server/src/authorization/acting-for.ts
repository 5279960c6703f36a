/** What may act for a person: their consents, and the delegations that are alive under each. */
import { actorChain, formatUsd } from '@behalf/protocol'
import { judgedCap } from '../budgets/balance.js'
import type { Budget } from '../budgets/book.js'
import type { Deps } from '../deps.js'
import type { PersonSession } from '../people/person.js'
import { type Consent, consentBudget, consentsPerPage } from '../store/consents.js'
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
  /** There are more of them, on a page of their own or on the next one. */
  hasMore: boolean
}

/** What a page says of each consent; the rest has a page for that consent alone. */
const connectionsAtOnce = 5
export const connectionsPerPage = 50

const dayOf = (date: Date): string => date.toISOString().slice(0, 10)
const minuteOf = (date: Date): string => `${date.toISOString().slice(0, 16).replace('T', ' ')} UTC`

/** Who asked whom; the first of the chain is the one that acts. */
const chainOf = ({ act }: Delegation): string | undefined => {
  const [, ...earlier] = actorChain(act)
  return earlier.length === 0 ? undefined : earlier.map(({ sub }) => sub).join(', ')
}

/** What a whole page of consents needs: as many queries for a hundred as for one. */
interface Facts {
  names: ReadonlyMap<string, string | undefined>
  balances: ReadonlyMap<string, Budget>
  under: ReadonlyMap<string, readonly Delegation[]>
  lastUsed: ReadonlyMap<string, Date>
}

const readFacts = async (
  consents: readonly Consent[],
  window: { skip: number; limit: number },
  subject: string,
  { store, now }: Deps,
): Promise<Facts> => {
  const budgetIds = consents.map(({ id }) => consentBudget(id))
  const [clients, under] = await Promise.all([
    store.clients.findMany(consents.map(({ client_id }) => client_id)),
    // One more, which says that there are more.
    store.delegations.listUnder({ subject, budgetIds, ...window, limit: window.limit + 1 }, now()),
  ])
  const ids = [...under.values()].flat().map(({ id }) => id)
  const [budgets, lastUsed] = await Promise.all([
    store.budgets.find([...budgetIds, ...ids]),
    store.delegations.lastUsed(ids),
  ])
  return {
    names: new Map(clients.map((one) => [one.client_id, one.client_name])),
    balances: new Map(budgets.map((one) => [one.id, one])),
    under,
    lastUsed,
  }
}

const connectionOf = (one: Delegation, { balances, lastUsed }: Facts): LiveConnection => {
  const used = lastUsed.get(one.id)
  const own = balances.get(one.id)
  return {
    id: one.id,
    actor: one.actor,
    chain: chainOf(one),
    lastUsed: used && minuteOf(used),
    spentUsd: own && formatUsd(own.spent),
  }
}

const describe = (
  consent: Consent,
  limit: number,
  { memberships }: PersonSession,
  facts: Facts,
): LiveConsent => {
  const budgetId = consentBudget(consent.id)
  const balance = facts.balances.get(budgetId)
  const cap = balance && judgedCap(balance)
  const connections = facts.under.get(budgetId) ?? []
  return {
    id: consent.id,
    clientName: facts.names.get(consent.client_id) ?? consent.client_id,
    organization: memberships.find(({ tenant_id }) => tenant_id === consent.tenant_id)?.name,
    scopes: consent.scope,
    resources: consent.resources,
    since: dayOf(consent.created_at),
    until: consent.expires_at && minuteOf(consent.expires_at),
    spentUsd: formatUsd(balance?.spent ?? 0n),
    capUsd: cap === undefined ? undefined : formatUsd(cap),
    requestsPerHour: consent.limits.requestsPerHour,
    connections: connections.slice(0, limit).map((one) => connectionOf(one, facts)),
    hasMore: connections.length > limit,
  }
}

/** One page of the consents of a person. */
export const actingFor = async (
  session: PersonSession,
  page: number,
  deps: Deps,
): Promise<{ consents: LiveConsent[]; hasMore: boolean }> => {
  const { sub } = session.person
  const found = await deps.store.consents.listLive(sub, deps.now(), page)
  const consents = found.slice(0, consentsPerPage)
  const facts = await readFacts(consents, { skip: 0, limit: connectionsAtOnce }, sub, deps)
  return {
    consents: consents.map((one) => describe(one, connectionsAtOnce, session, facts)),
    hasMore: found.length > consents.length,
  }
}

/** One consent, with one page of what is alive under it. @returns `undefined` unless it is theirs */
export const actingUnder = async (
  consentId: string,
  session: PersonSession,
  page: number,
  deps: Deps,
): Promise<LiveConsent | undefined> => {
  const { sub } = session.person
  const consent = await deps.store.consents.find(consentId, deps.now())
  if (consent?.subject !== sub) return undefined
  const limit = connectionsPerPage
  const facts = await readFacts([consent], { skip: page * limit, limit }, sub, deps)
  return describe(consent, limit, session, facts)
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
