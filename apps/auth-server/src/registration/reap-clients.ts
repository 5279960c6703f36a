/** Removes clients that registered themselves and that nobody uses. */
import type { Deps } from '../deps.js'

const batch = 500
const hourMs = 3_600_000
const dayMs = 24 * hourMs

/** A document is read again when somebody comes back with its URL, so what is unused goes soon. */
const unusedDocumentHours = 1

/** In batches, so that a large table is never locked for long. */
export const reapClients = async ({ store, registration, now }: Deps): Promise<void> => {
  const { unusedHours, idleDays } = registration.dynamic
  const before = (milliseconds: number): Date => new Date(now().getTime() - milliseconds)
  const idle = before(idleDays * dayMs)
  const kinds = [
    { registrant: 'dynamic', cutoffs: { unused: before(unusedHours * hourMs), idle } },
    {
      registrant: 'metadata_document',
      cutoffs: { unused: before(unusedDocumentHours * hourMs), idle },
    },
  ] as const
  for (const { registrant, cutoffs } of kinds) {
    let reaped = batch
    while (reaped === batch) {
      reaped = await store.registrations.reap(registrant, cutoffs, now(), batch)
    }
  }
}
