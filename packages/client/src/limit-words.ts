/** Limits in words that a person reads: what is left, what was refused, and what to do about it. */
import type { BudgetErrorCode, BudgetMembers, RateLimitMembers } from './limit-error.js'
import { instantWords } from './plain-words.js'

interface Problem {
  description: string
  hint: string
}

const dateWords = (date: Date): string => instantWords(date.getTime() / 1000)

const limitSentence = (limitedBy: string | undefined): string[] =>
  limitedBy === undefined ? [] : [`${limitedBy} limits it.`]

const moneySentence = (code: BudgetErrorCode, { required, remaining }: BudgetMembers): string => {
  if (required !== undefined && remaining !== undefined) {
    return `This needs ${required} USD, and ${remaining} USD are left.`
  }
  return code === 'budget_exhausted' ? 'The budget is spent.' : 'The budget does not cover this.'
}

const budgetHint = (code: BudgetErrorCode, { renewsAt }: BudgetMembers): string => {
  const more = 'ask who set that budget for more'
  if (renewsAt) return `It starts again at ${dateWords(renewsAt)}. Wait until then, or ${more}.`
  return code === 'budget_exhausted'
    ? 'Ask who set that budget for more: another token does not help.'
    : `Ask for something that costs less, or ${more}.`
}

export const budgetProblem = (code: BudgetErrorCode, members: BudgetMembers): Problem => ({
  description: [moneySentence(code, members), ...limitSentence(members.limitedBy)].join(' '),
  hint: budgetHint(code, members),
})

export const rateProblem = ({ limitedBy, retryAt }: RateLimitMembers): Problem => ({
  description: ['Too many requests.', ...limitSentence(limitedBy)].join(' '),
  hint: retryAt
    ? `Wait until ${dateWords(retryAt)}, then try again.`
    : 'Wait before trying again, and longer each time.',
})

export interface DescribedBudget {
  delegationId: string
  cap: string | undefined
  spent: string
  held: string
  remaining: string | undefined
  limitedBy: string | undefined
  renewsAt: Date | undefined
  requestsPerHour: number | undefined
  remainingRequests: number | undefined
  requestsLimitedBy: string | undefined
}

/** Who limits it, where that is somebody else than the delegation itself. */
const elsewhere = (limitedBy: string | undefined, { delegationId }: DescribedBudget): string =>
  limitedBy === undefined || limitedBy === delegationId ? '' : limitedBy

const moneyWords = (budget: DescribedBudget): string[] => {
  const { cap, remaining, spent, held, renewsAt } = budget
  const heldWords = held === '0' ? '' : `, ${held} held`
  if (remaining === undefined) return [`${spent} USD spent${heldWords}, no cap`]
  const limitedBy = elsewhere(budget.limitedBy, budget)
  return [
    `${remaining}${cap === undefined ? '' : ` of ${cap}`} USD left${heldWords}`,
    ...(limitedBy === '' ? [] : [`${limitedBy} limits it`]),
    ...(renewsAt ? [`it starts again at ${dateWords(renewsAt)}`] : []),
  ]
}

const requestWords = (budget: DescribedBudget): string[] => {
  const { requestsPerHour: most, remainingRequests: left } = budget
  if (left === undefined) return []
  const limitedBy = elsewhere(budget.requestsLimitedBy, budget)
  return [
    `${left}${most === undefined ? '' : ` of ${most}`} requests left this hour`,
    ...(limitedBy === '' ? [] : [`${limitedBy} limits them`]),
  ]
}

/** `1.2 of 5 USD left; agent:orchestrator limits it; 12 of 200 requests left this hour.` */
export const budgetWords = (budget: DescribedBudget): string =>
  `${[...moneyWords(budget), ...requestWords(budget)].join('; ')}.`
