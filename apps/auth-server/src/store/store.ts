/** All tables of one database, opened together. */

import { adminClientsStore } from './admin-clients.js'
import { adminResourcesStore } from './admin-resources.js'
import { attemptsStore } from './attempts.js'
import { authorizationCodesStore } from './authorization-codes.js'
import { authorizationRequestsStore } from './authorization-requests.js'
import { budgetsStore } from './budgets.js'
import { clientsStore } from './clients.js'
import { consentsStore } from './consents.js'
import type { Database } from './database.js'
import { delegationRulesStore } from './delegation-rules.js'
import { delegationsStore } from './delegations.js'
import { deviceCodesStore } from './device-codes.js'
import { invitationsStore } from './invitations.js'
import { type FanOut, issuancesStore } from './issuances.js'
import { ledgerStore } from './ledger.js'
import { membersStore } from './members.js'
import { peopleStore } from './people.js'
import { refreshTokensStore } from './refresh-tokens.js'
import { registrationsStore } from './registrations.js'
import { openRegistry } from './registry.js'
import { resourcesStore } from './resources.js'
import { retentionStore } from './retention.js'
import { revocationsStore } from './revocations.js'
import { signingKeysStore } from './signing-keys.js'
import { tokenLifetimesStore } from './token-lifetimes.js'

const openTables = (database: Database, fanOut: FanOut, now: () => Date) => ({
  attempts: attemptsStore(database),
  authorizationCodes: authorizationCodesStore(database),
  authorizationRequests: authorizationRequestsStore(database),
  adminClients: adminClientsStore(database),
  adminResources: adminResourcesStore(database),
  budgets: budgetsStore(database),
  clients: clientsStore(database),
  consents: consentsStore(database),
  delegationRules: delegationRulesStore(database),
  delegations: delegationsStore(database),
  deviceCodes: deviceCodesStore(database),
  issuances: issuancesStore(database, fanOut, now),
  invitations: invitationsStore(database),
  ledger: ledgerStore(database, now),
  members: membersStore(database),
  people: peopleStore(database),
  refreshTokens: refreshTokensStore(database),
  registrations: registrationsStore(database),
  resources: resourcesStore(database),
  retention: retentionStore(database),
  revocations: revocationsStore(database),
  signingKeys: signingKeysStore(database),
  tokenLifetimes: tokenLifetimesStore(database),
  /** Answers when the database does. */
  ping: async (): Promise<void> => {
    await database.read('select 1', [])
  },
  /** How many connections PostgreSQL has for all that are no superusers. */
  maxConnections: async (): Promise<number> => {
    const rows = await database.read(
      `select current_setting('max_connections')::int
         - current_setting('superuser_reserved_connections')::int as most`,
      [],
    )
    return Number(rows[0]?.most)
  },
})

/** Clients that are read one by one are kept for whoever asks the registry. */
export const openStore = (database: Database, fanOut: FanOut, now: () => Date) => {
  const tables = openTables(database, fanOut, now)
  const registry = openRegistry(database, tables)
  const clients = { ...tables.clients, find: registry.loadClient }
  return { ...tables, clients, registry }
}

export type Store = ReturnType<typeof openStore>
