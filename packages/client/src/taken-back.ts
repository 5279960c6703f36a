/** Delegations that were taken back here: what was kept of them is not used again. */

export interface TakenBack {
  add(delegationId: string): void
  /** Is one of these, from the root downwards, taken back? */
  has(lineage: readonly string[]): boolean
}

const maxIds = 1000

export const createTakenBack = (): TakenBack => {
  const ids = new Set<string>()
  return {
    add: (id) => {
      ids.add(id)
      const [oldest] = ids
      if (ids.size > maxIds && oldest !== undefined) ids.delete(oldest)
    },
    has: (lineage) => lineage.some((id) => ids.has(id)),
  }
}
