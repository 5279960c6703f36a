/** What a server must be told about where it stands. */
import type { Server } from 'node:http'
export interface Place {
  /** The authorization server, exactly as it spells itself. */
  issuer: string
  /** The public URL of this MCP server. */
  resource: string
  /** This server's own, for the ledger. */
  clientSecret: string
}

/** A server that borrows a part of each budget while it is used, and can give back what is left. */
export type DocsServer = Server & { giveBack: () => Promise<void> }
