/** `ledger:verify`: recomputes every balance from its entries and prints what differs. */
import { existsSync } from 'node:fs'
import { type Difference, verifyLedger } from './budgets/verification.js'
import { ConfigError } from './config.js'
import { budgetsStore } from './store/budgets.js'
import { openDatabase } from './store/database.js'

const lineOf = (one: Difference): string =>
  [
    one.budget_id,
    `  spent ${one.spent_usd}, by its entries ${one.entered_spent_usd}`,
    `  held  ${one.held_usd}, by its entries ${one.entered_held_usd}`,
  ].join('\n')

/** Opening a folder that is not there would make an empty database of it. */
const checkThere = (databaseUrl: string): void => {
  if (databaseUrl === 'memory:') {
    throw new ConfigError(
      'DATABASE_URL: what is in memory ends with its process, and has no books here',
    )
  }
  const [, path] = /^pglite:(.+)$/.exec(databaseUrl) ?? []
  if (path === undefined || existsSync(path)) return
  throw new ConfigError(`DATABASE_URL: there is no database in ${path}`)
}

/** @returns whether the books are right */
export const printVerification = async (
  databaseUrl: string,
  print: (line: string) => void,
): Promise<boolean> => {
  checkThere(databaseUrl)
  const database = await openDatabase(databaseUrl)
  try {
    const { ok, budgets, differences } = await verifyLedger(budgetsStore(database), {
      patient: true,
    })
    for (const difference of differences) print(lineOf(difference))
    print(
      ok
        ? `${budgets} budgets, each the sum of its entries.`
        : `${budgets} budgets, ${differences.length} not the sum of their entries.`,
    )
    return ok
  } finally {
    await database.close()
  }
}
