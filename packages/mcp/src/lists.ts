/** Lists that show each caller what is theirs. */
import type { Caller } from '@behalf/verifier'
import { isHidden, lacksScope, standingOf } from './access.js'
import { type Registry, ruleForUri } from './registry.js'
import type { AccessRule } from './tool-rule.js'

/** Where an entry of a list says whether this caller may use it. */
export const accessKey = 'dev.behalf/access'

type Entry = { [member: string]: unknown }

interface ListKind {
  /** The member of the result that is the list. */
  member: string
  /** Is there anything that not everybody sees? */
  isGuarded: (registry: Registry) => boolean
  ruleOf: (registry: Registry, entry: Entry) => AccessRule | undefined
}

const nameOf = ({ name }: Entry): string => String(name)

const kinds = new Map<string, ListKind>([
  [
    'tools/list',
    {
      member: 'tools',
      isGuarded: ({ tools }) => tools.size > 0,
      ruleOf: ({ tools }, entry) => tools.get(nameOf(entry)),
    },
  ],
  [
    'prompts/list',
    {
      member: 'prompts',
      isGuarded: ({ prompts }) => prompts.size > 0,
      ruleOf: ({ prompts }, entry) => prompts.get(nameOf(entry)),
    },
  ],
  [
    'resources/list',
    {
      member: 'resources',
      isGuarded: ({ resources, templates }) => resources.size + templates.size > 0,
      ruleOf: (registry, { uri }) => ruleForUri(registry, String(uri)),
    },
  ],
  [
    'resources/templates/list',
    {
      member: 'resourceTemplates',
      isGuarded: ({ templates }) => templates.size > 0,
      ruleOf: ({ templates }, entry) => templates.get(nameOf(entry))?.rule,
    },
  ],
])

export const isList = (method: string): boolean => kinds.has(method)

/** Does the list of this method differ by caller? */
export const isCutList = (method: string, registry: Registry): boolean =>
  kinds.get(method)?.isGuarded(registry) ?? false

const isEntry = (value: unknown): value is Entry => typeof value === 'object' && value !== null

/** Listed is what can be used, and what is marked as what it is. */
export const isListed = (rule: AccessRule, caller: Caller | undefined): boolean =>
  caller !== undefined &&
  !isHidden(rule, caller) &&
  (rule.unavailable === 'mark' || standingOf(rule, caller) === 'allowed')

const mark = (entry: Entry, rule: AccessRule, caller: Caller): Entry => {
  const standing = standingOf(rule, caller)
  const { scope } = lacksScope(rule, caller).details
  const access = { available: standing === 'allowed', ...(standing === 'unscoped' && { scope }) }
  return { ...entry, _meta: { ...(isEntry(entry._meta) && entry._meta), [accessKey]: access } }
}

const show = (entry: Entry, rule: AccessRule | undefined, caller: Caller | undefined): Entry[] => {
  if (!rule) return [entry]
  if (!caller || !isListed(rule, caller)) return []
  return [rule.unavailable === 'mark' ? mark(entry, rule, caller) : entry]
}

/** @param caller `undefined` for a request that came past the guard: to that, nothing guarded is shown */
export const cutList = (
  method: string,
  result: unknown,
  { registry, caller }: { registry: Registry; caller: Caller | undefined },
): unknown => {
  const kind = kinds.get(method)
  const list = kind && isEntry(result) ? result[kind.member] : undefined
  if (!kind || !Array.isArray(list)) return result
  const shown = list
    .filter(isEntry)
    .flatMap((entry) => show(entry, kind.ruleOf(registry, entry), caller))
  return { ...(isEntry(result) && result), [kind.member]: shown }
}
