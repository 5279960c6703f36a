/** The books, checked: every balance is the sum of its entries. */
import { formatUsd } from '@behalf/protocol'
import type { AuditLine } from '../store/budgets.js'
import type { Store } from '../store/store.js'

export interface Difference {
  budget_id: string
  spent_usd: string
  entered_spent_usd: string
  held_usd: string
  entered_held_usd: string
}

export interface Verification {
  ok: boolean
  budgets: number
  differences: Difference[]
}

const isSame = ({ spent, held, enteredSpent, enteredHeld }: AuditLine): boolean =>
  spent === enteredSpent && held === enteredHeld

const toDifference = (line: AuditLine): Difference => ({
  budget_id: line.id,
  spent_usd: formatUsd(line.spent),
  entered_spent_usd: formatUsd(line.enteredSpent),
  held_usd: formatUsd(line.held),
  entered_held_usd: formatUsd(line.enteredHeld),
})

export interface VerificationScope {
  /** Only its budgets; absent: all of them. */
  tenantId?: string | undefined
  /** True to wait for it however long it takes. A request is answered or cut off. */
  patient?: boolean
}

export const verifyLedger = async (
  budgets: Pick<Store['budgets'], 'audit'>,
  { tenantId, patient = false }: VerificationScope = {},
): Promise<Verification> => {
  const lines = await budgets.audit(tenantId, patient)
  const differences = lines.filter((line) => !isSame(line)).map(toDifference)
  return { ok: differences.length === 0, budgets: lines.length, differences }
}
