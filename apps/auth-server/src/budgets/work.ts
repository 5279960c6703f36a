/** What the ledger is asked to do: what it touches, and the decision, made while that is locked. */
import { createHash } from 'node:crypto'
import type { OAuthError, OAuthErrorCode } from '@behalf/protocol'
import type { Client } from '../store/clients.js'
import type { Book, KeyedRequest, StoredAnswer } from './book.js'

/** All of it is locked before anything is decided. */
export interface Touches {
  budgetIds: readonly string[]
  /** Delegations that must be asked whether they are alive, and stay so until the commit. */
  lineage: readonly string[]
  reservations: readonly string[]
  leases: readonly string[]
  /** All open leases of one client on one delegation. */
  leasesOf: { delegationId: string; clientId: string } | undefined
  /** True when the rolling hour has to be known. */
  countsRequests: boolean
}

export interface LedgerWork {
  /** Answered once for its key. The server's own work has none. */
  request: KeyedRequest | undefined
  touches: Touches
  /** Throws before it has moved anything, or not at all: what is thrown is not kept as the answer. */
  decide: (book: Book) => StoredAnswer
}

export const touching = (touches: Partial<Touches>): Touches => ({
  budgetIds: [],
  lineage: [],
  reservations: [],
  leases: [],
  leasesOf: undefined,
  countsRequests: false,
  ...touches,
})

/** A key outlives the window in which its reservation can still be settled. */
const keepKeysSeconds = 48 * 3600

/** A hold that expired and was charged can still be settled for this long. */
export const reconciliationSeconds = 24 * 3600

export const plusSeconds = (date: Date, seconds: number): Date =>
  new Date(date.getTime() + seconds * 1000)

/** @param asked what the key stands for; a `bigint` in it is compared as text */
export const keyedRequest = (
  { client_id: clientId }: Pick<Client, 'client_id'>,
  key: string,
  asked: readonly unknown[],
  now: Date,
): KeyedRequest => {
  const text = JSON.stringify(asked, (_, value) => (typeof value === 'bigint' ? `${value}` : value))
  return {
    clientId,
    key,
    requestHash: createHash('sha256').update(text).digest('base64url'),
    expiresAt: plusSeconds(now, keepKeysSeconds),
  }
}

const titles: Partial<Record<OAuthErrorCode, string>> = {
  budget_exhausted: 'The budget is spent',
  insufficient_budget: 'The budget does not cover this',
  rate_limited: 'Too many requests',
}

/** The members of RFC 9457 §3.1, beside those of an OAuth error. */
const problemMembers = ({ code, docs, status, description }: OAuthError) =>
  titles[code] !== undefined && { type: docs, title: titles[code], status, detail: description }

/** A refusal is an answer too, and kept. */
export const refused = (error: OAuthError): StoredAnswer => ({
  status: error.status,
  body: { ...problemMembers(error), ...error.toJSON() },
  headers: error.headers,
})
