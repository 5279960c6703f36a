/** Says what was asked for and cut, so that nobody has to find out by surprise. Pure. */
import * as z from 'zod'
import { agentLimitsClaim } from './agent-limits.js'
import type { Authority, NarrowRequest } from './narrow.js'
import { formatScope, missingScope } from './scope.js'

/** Over-asks by their wire names: what was asked, and what was granted instead. */
export type NarrowingReport = Record<string, { asked: unknown; granted: unknown }>

/** `granted` is absent where nothing was granted instead. */
const cut = z
  .looseObject({ asked: z.unknown(), granted: z.unknown().optional() })
  .transform(({ asked, granted }) => ({ asked, granted }))

export const narrowingReportSchema: z.ZodType<NarrowingReport> = z.record(z.string(), cut)

type Asked = Pick<NarrowRequest, 'scope' | 'limits'>

const cutLimits = ({ limits = {} }: Asked, granted: Authority): NarrowingReport => {
  const asked: Record<string, unknown> = { ...agentLimitsClaim(limits) }
  const given: Record<string, unknown> = { ...agentLimitsClaim(granted.limits) }
  // Actions are never cut: an uncovered one is refused.
  delete asked.allowed_actions
  return Object.fromEntries(
    Object.entries(asked)
      .filter(([name, value]) => given[name] !== value)
      .map(([name, value]) => [name, { asked: value, granted: given[name] }]),
  )
}

/** @returns `undefined` when all that was asked for was granted */
export const narrowingReport = (
  request: Asked,
  granted: Authority,
): NarrowingReport | undefined => {
  const { scope } = request
  const isCut = scope !== undefined && missingScope(scope, granted.scope).length > 0
  const report = {
    ...(isCut && { scope: { asked: formatScope(scope), granted: formatScope(granted.scope) } }),
    ...cutLimits(request, granted),
  }
  return Object.keys(report).length > 0 ? report : undefined
}
