/** What a server must be told about where it stands. */
export interface Place {
  /** The authorization server, exactly as it spells itself. */
  issuer: string
  /** The public URL of this MCP server. */
  resource: string
  /** This server's own, for the ledger. */
  clientSecret: string
}
