/** What a server must be told about where it stands, and what it gives back when it ends. */
import type { Server } from 'node:http'

export interface Place {
  /** The authorization server, exactly as it spells itself. */
  issuer: string
  /** The public URL of this server. */
  resource: string
  /** This server's own: for the ledger, and for tokens for the next server. */
  clientSecret: string
}

/** It borrows a part of each budget while it is used. */
export type LendingServer = Server & { giveBack: () => Promise<void> }
