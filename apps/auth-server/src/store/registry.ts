/**
 * What is registered, remembered in this process: clients, resources, rules and delegations as they were
 * at one version of the registry. Whoever decides by it has the version checked by the statement that
 * writes the decision down, and decides again on what is read afresh where it has moved. So a change
 * counts at once, whichever process or person made it, and no message has to arrive.
 */
import type { RuleParty } from '@behalf/protocol'
import { createBatch } from './batch.js'
import type { Client, clientsStore } from './clients.js'
import type { Database } from './database.js'
import type { delegationRulesStore, RulesAsOf } from './delegation-rules.js'
import type { Delegation, delegationsStore } from './delegations.js'
import { createMemory, type Memory, remember } from './memory.js'
import type { Resource, resourcesStore } from './resources.js'

/** The tables that hold what is registered. */
export interface RegisteredTables {
  clients: ReturnType<typeof clientsStore>
  delegationRules: ReturnType<typeof delegationRulesStore>
  delegations: ReturnType<typeof delegationsStore>
  resources: ReturnType<typeof resourcesStore>
}

const maxClients = 10_000
const maxDelegations = 10_000
/** Of resources and rules: what is kept is answers to questions. */
const maxAnswers = 5_000

const isThere = <T>(value: T | undefined): value is T => value !== undefined

const rememberClients = (memory: Memory, { clients }: RegisteredTables) =>
  remember(memory, {
    nameOf: (id: string) => id,
    read: clients.find,
    asOf: (found: Client | undefined) => found?.as_of,
    // One without a root of its own gets it with its first token, and that moves no version.
    isKept: (found) => found?.root_delegation_id !== undefined,
    maxEntries: maxClients,
  })

/** Nothing of a delegation changes but its end, and the write asks for that. */
const rememberDelegations = (memory: Memory, { delegations }: RegisteredTables) =>
  remember(memory, {
    nameOf: (id: string) => id,
    read: delegations.find,
    asOf: (found: Delegation | undefined) => found?.as_of,
    maxEntries: maxDelegations,
  })

const rememberResources = (memory: Memory, read: (of: readonly string[]) => Promise<Resource[]>) =>
  remember(memory, {
    nameOf: (of: readonly string[]) => of.join(' '),
    read,
    asOf: ([found]: Resource[]) => found?.as_of,
    maxEntries: maxAnswers,
  })

interface RulesQuestion {
  tenantId: string | undefined
  from: RuleParty
  to: RuleParty
}

const rememberRules = (memory: Memory, { delegationRules }: RegisteredTables) =>
  remember(memory, {
    nameOf: ({ tenantId, from, to }: RulesQuestion) =>
      JSON.stringify([tenantId, from.client_id, from.agent_type, to.client_id, to.agent_type]),
    read: ({ tenantId, from, to }) => delegationRules.between(tenantId, from, to),
    asOf: ({ as_of }: RulesAsOf) => as_of,
    maxEntries: maxAnswers,
  })

const rememberEnabled = (memory: Memory, { delegationRules }: RegisteredTables) =>
  remember(memory, {
    nameOf: (ids: readonly string[]) => ids.join(' '),
    read: delegationRules.findEnabled,
    asOf: ([found]) => found?.as_of,
    maxEntries: maxAnswers,
  })

export const openRegistry = ({ read }: Pick<Database, 'read'>, tables: RegisteredTables) => {
  const memory = createMemory()
  const client = rememberClients(memory, tables)
  const delegation = rememberDelegations(memory, tables)
  const resources = rememberResources(memory, tables.resources.findMany)
  const served = rememberResources(memory, tables.resources.findByClients)
  const rules = rememberRules(memory, tables)
  const enabled = rememberEnabled(memory, tables)
  const all = async <T>(ids: readonly string[], find: (id: string) => Promise<T | undefined>) =>
    (await Promise.all(ids.map(find))).filter(isThere)

  return {
    /** Reads the client, and keeps it for others. */
    loadClient: client.load,
    /** What is kept of it, without a read. */
    peekClient: client.peek,

    /** Is what is remembered of the version that this was read at? Only then the two may be mixed. */
    isOf: ({ as_of }: { as_of: string }): boolean => memory.version() === as_of,

    /** The same questions, answered from memory where that can answer. */
    remembered: {
      clients: {
        ...tables.clients,
        find: client.find,
        findMany: (ids: readonly string[]) => all(ids, client.find),
      },
      delegations: {
        ...tables.delegations,
        find: delegation.find,
        findMany: (ids: readonly string[]) => all(ids, delegation.find),
      },
      resources: { findMany: resources.find, findByClients: served.find },
      delegationRules: {
        between: (tenantId: string | undefined, from: RuleParty, to: RuleParty) =>
          rules.find({ tenantId, from, to }),
        findEnabled: enabled.find,
      },
    } satisfies RegisteredTables,

    /** Is this still the version? Requests of one moment share a statement, sent after the last of them. */
    isCurrent: createBatch(async (asked: string[]): Promise<boolean[]> => {
      const begun = memory.begin()
      const [row] = await read('select version::text as as_of from registry_version', [])
      const asOf = String(row?.as_of)
      memory.learn(asOf, begun)
      return asked.map((version) => version === asOf)
    }),
  }
}
