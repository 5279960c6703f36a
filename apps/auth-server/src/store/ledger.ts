/**
 * The ledger's one way in. What arrives while a commit is under way is decided together in the next
 * transaction: lock the budgets, read, decide, write, commit. Everybody waits for that commit.
 */
import { isOAuthError, OAuthError } from '@behalf/protocol'
import {
  type Book,
  createBook,
  type KeyedRequest,
  MissingBudgets,
  type Page,
  type StoredAnswer,
} from '../budgets/book.js'
import { periodIds, possiblePeriodIds, readPeriodId } from '../budgets/periods.js'
import { createRecalls } from '../budgets/starving.js'
import type { LedgerWork } from '../budgets/work.js'
import { createPipeline, type Flush } from './batch.js'
import type { Database, Query, Written } from './database.js'
import { isDatabaseAway, withRetry } from './failures.js'
import { KeyTaken, writeChanges } from './ledger-changes.js'
import { openPeriods, readPage } from './ledger-page.js'
import { recallLeases, recallLent } from './revocations.js'

type Outcome = { answer: StoredAnswer } | { error: unknown }

const conflict = (): OAuthError =>
  new OAuthError('idempotency_conflict', {
    description: 'This Idempotency-Key was used for another request.',
    reason: 'idempotency_key_reused',
    hint: 'Make a new key for every new request, and repeat it only for retries.',
  })

/** The first answer to a key is the answer to all its repeats, refusals included. */
const answerOnce = (book: Book, request: KeyedRequest, decide: LedgerWork['decide']) => {
  const kept = book.kept(request)
  if (kept && kept.requestHash !== request.requestHash) throw conflict()
  if (kept) return kept.answer
  const answer = decide(book)
  book.keep(request, answer)
  return answer
}

/** A refusal that is thrown is its own business: it has moved nothing. Else the whole page is void. */
const decideOne = (book: Book, { request, decide }: LedgerWork): Outcome => {
  try {
    return { answer: request ? answerOnce(book, request, decide) : decide(book) }
  } catch (error) {
    if (isOAuthError(error)) return { error }
    throw error
  }
}

/** The periods of all that is charged, at once: a batch that asked for one after the other would starve. */
const checkPeriods = ({ budgets }: Page, works: readonly LedgerWork[], now: Date): void => {
  const charged = new Set(works.flatMap(({ touches }) => touches.budgetIds))
  const known = new Set(budgets.map(({ id }) => id))
  const missing = budgets
    .filter(({ id }) => charged.has(id))
    .flatMap((row) => periodIds(row, now))
    .filter((id) => !known.has(id))
  if (missing.length > 0) throw new MissingBudgets(missing)
}

/** All that is missing for all of them, at once: a round for each would hold up whoever comes next. */
const decideEach = (book: Book, works: readonly LedgerWork[]): Outcome[] => {
  const missing: string[] = []
  const outcomes = works.map((work): Outcome => {
    try {
      return decideOne(book, work)
    } catch (error) {
      if (!(error instanceof MissingBudgets)) throw error
      missing.push(...error.ids)
      return { error }
    }
  })
  if (missing.length > 0) throw new MissingBudgets([...new Set(missing)])
  return outcomes
}

const decideAll = async (
  query: Query,
  works: readonly LedgerWork[],
  more: readonly string[],
  now: Date,
): Promise<Written<Outcome[]>> => {
  const page = await readPage(query, works, more, now)
  checkPeriods(page, works, now)
  const book = createBook(page, now)
  const outcomes = decideEach(book, works)
  return { result: outcomes, written: writeChanges(query, book.changes()) }
}

/** Budgets that turned out to have periods: next time these are locked from the start. */
const rememberPeriods = (maxBudgets = 100_000) => {
  const withPeriods = new Set<string>()
  return {
    learn: (ids: readonly string[]): void => {
      if (withPeriods.size > maxBudgets) withPeriods.clear()
      for (const id of ids) {
        const read = readPeriodId(id)
        if (read) withPeriods.add(read.of)
      }
    },
    idsFor: (works: readonly LedgerWork[], now: Date): string[] =>
      withPeriods.size === 0
        ? []
        : works
            .flatMap(({ touches }) => touches.budgetIds.filter((id) => withPeriods.has(id)))
            .flatMap((id) => possiblePeriodIds(id, now)),
  }
}

type Periods = ReturnType<typeof rememberPeriods>

const maxRounds = 8

/** Budgets that were there a moment ago: forgotten since, with the delegation that they belonged to. */
const forgotten = (): OAuthError =>
  new OAuthError('not_found', { description: 'There is no such thing here for this client.' })

/** Again with the rows that turned out to be needed, or after another server took a key first. */
const decideTogether = async (
  database: Database,
  take: () => Promise<LedgerWork[]>,
  now: () => Date,
  periods: Periods,
  next: () => void = () => {},
): Promise<Outcome[]> => {
  const more = new Set<string>()
  let isTaken = false
  const decide = async (query: Query): Promise<Written<Outcome[]>> => {
    const works = await take()
    isTaken = true
    const at = now()
    const decided = await decideAll(query, works, [...more, ...periods.idsFor(works, at)], at)
    // While this is committed the next asks for its locks. No sooner, or it would take too few along.
    decided.written.then(next, () => {})
    return decided
  }
  for (let round = 1; ; round += 1) {
    try {
      return await withRetry(() => database.ledger(decide))
    } catch (error) {
      // Who comes next need not wait for what is done again, and on one connection must not be waited for.
      next()
      if (round >= maxRounds) throw error instanceof MissingBudgets ? forgotten() : error
      if (error instanceof MissingBudgets) {
        periods.learn(error.ids)
        await openPeriods(database, error.ids)
        for (const id of error.ids) more.add(id)
      } else if (error instanceof KeyTaken) continue
      // Its connection was taken away while it waited for its turn: nothing was asked yet.
      else if (round > 1 || isTaken || !isDatabaseAway(error)) throw error
    }
  }
}

export const ledgerStore = (database: Database, now: () => Date) => {
  const periods = rememberPeriods()
  /** One that cannot be written must not take the others with it. */
  const alone = (work: LedgerWork): Promise<Outcome> =>
    decideTogether(database, async () => [work], now, periods).then(
      ([outcome]) => outcome as Outcome,
      (error: unknown) => ({ error }),
    )
  const together: Flush<LedgerWork, Outcome> = async (take, next) => {
    try {
      return await decideTogether(database, take, now, periods, next)
    } catch (error) {
      const works = await take()
      if (works.length === 1 || isDatabaseAway(error)) throw error
      const outcomes: Outcome[] = []
      for (const work of works) outcomes.push(await alone(work))
      return outcomes
    }
  }
  const batch = createPipeline(together)
  const askBack = createRecalls(
    (shortage, at) =>
      withRetry(() =>
        database.urgent.transaction((transaction) => recallLent(transaction, shortage, at)),
      ),
    now,
  )
  return {
    /** @throws OAuthError what `decide` throws, `idempotency_conflict` */
    run: async (work: LedgerWork): Promise<StoredAnswer> => {
      const outcome = await batch(work)
      if ('error' in outcome) throw outcome.error
      await askBack(outcome.answer.shortage)
      return outcome.answer
    },

    delegationIdOfLease: async (id: string): Promise<string | undefined> => {
      const [row] = await database.read('select delegation_id from leases where id = $1', [id])
      return row && String(row.delegation_id)
    },

    /** Asks for the open leases on a budget back: at their next report, and by the feed. */
    recall: (budgetId: string, now: Date): Promise<void> =>
      withRetry(() =>
        database.urgent.transaction((transaction) => recallLeases(transaction, budgetId, now)),
      ),
  }
}
