/** The limits that a person sets for an agent: read from the form, never above the agent's own. */
import { type AgentLimits, type Authority, formatUsd, narrow, parseUsd } from '@behalf/protocol'
import type { Form } from '../form.js'
import type { Client } from '../store/clients.js'
import type { Consent } from '../store/consents.js'
import type { Granted } from './request.js'

/** What the fields hold, as text: shown again when something in them is wrong. */
export interface LimitFields {
  cost_budget_usd: string
  requests_per_hour: string
  expires_in_days: string
  may_delegate: boolean
}

export type LimitName = keyof LimitFields
export type Faults = Partial<Record<LimitName, true>>

/** What one can choose: nothing that acts for somebody goes on for ever. */
export const expiryDays = [1, 7, 30, 90] as const

const defaultDays = 30
/** Micro-USD: what is offered where nothing says how much. */
const offeredCap = 5_000_000n
const maxRequests = 1_000_000_000
const day = 24 * 3600 * 1000

/** What stands in the form at first: what was agreed before, or a little. */
export const offeredLimits = ({ agent_limits }: Client, live: Consent | undefined): LimitFields => {
  const { costBudget = offeredCap, requestsPerHour } = live?.limits ?? agent_limits
  const cap = live || costBudget < offeredCap ? costBudget : offeredCap
  return {
    cost_budget_usd: formatUsd(cap),
    requests_per_hour: requestsPerHour === undefined ? '' : String(requestsPerHour),
    expires_in_days: String(defaultDays),
    may_delegate: live !== undefined && live.limits.maxDelegationDepth !== 0,
  }
}

/** An agent that may not delegate needs no question about it. */
export const canDelegate = ({ agent_limits }: Client): boolean =>
  agent_limits.maxDelegationDepth !== 0

export const readLimitFields = (form: Form): LimitFields => ({
  cost_budget_usd: form.get('cost_budget_usd')?.trim() ?? '',
  requests_per_hour: form.get('requests_per_hour')?.trim() ?? '',
  expires_in_days: form.get('expires_in_days') ?? '',
  may_delegate: form.get('may_delegate') === 'yes',
})

const readCap = (text: string): bigint | undefined => parseUsd(text.replace(/^\$\s*/, ''))

/** Empty is no limit of the person's own. */
const readRequests = (text: string): { ok: boolean; value: number | undefined } => {
  if (text === '') return { ok: true, value: undefined }
  const isNumber = /^[0-9]{1,10}$/.test(text) && Number(text) <= maxRequests
  return { ok: isNumber, value: isNumber ? Number(text) : undefined }
}

export type ChosenLimits =
  | { limits: AgentLimits; expiresAt: Date | undefined; faults: undefined }
  | { faults: Faults }

/** What the person wants it to be. */
export const chooseLimits = (fields: LimitFields, now: Date): ChosenLimits => {
  const cap = readCap(fields.cost_budget_usd)
  const requests = readRequests(fields.requests_per_hour)
  const days = expiryDays.find((one) => String(one) === fields.expires_in_days)
  if (cap === undefined || !requests.ok || days === undefined) {
    return {
      faults: {
        ...(cap === undefined && { cost_budget_usd: true }),
        ...(!requests.ok && { requests_per_hour: true }),
        ...(days === undefined && { expires_in_days: true }),
      },
    }
  }
  return {
    limits: {
      costBudget: cap,
      ...(requests.value !== undefined && { requestsPerHour: requests.value }),
      ...(!fields.may_delegate && { maxDelegationDepth: 0 }),
    },
    expiresAt: new Date(now.getTime() + days * day),
    faults: undefined,
  }
}

const never = 9_999_999_999

/** A person can give no more than the client may have. */
export const withinClient = (
  limits: AgentLimits,
  granted: Granted,
  { agent_limits }: Client,
): AgentLimits => {
  const held: Authority = {
    scope: Object.values(granted).flat(),
    resources: Object.keys(granted),
    limits: agent_limits,
    expiresAt: never,
  }
  return narrow(held, { limits, hop: false, overAsk: 'refuse' }).limits
}
