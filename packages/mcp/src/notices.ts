/**
 * Notifications of changes, which go to everybody who listens: what a caller does not see must not show
 * by its changes either.
 */
import type { Caller } from '@behalf/verifier'
import { isHidden, standingOf } from './access.js'
import { createRegistry, type Registry, ruleForUri, type TemplateEntry } from './registry.js'
import type { AccessRule } from './tool-rule.js'

export interface Notices {
  note: (list: 'tools' | 'prompts' | 'resources', key: string, rule: AccessRule) => void
  noteTemplate: (key: string, entry: TemplateEntry) => void
  /** @param event the data of one event of a stream: a JSON-RPC message, or whatever else it is */
  keeps: (caller: Caller, event: string) => boolean
}

/** What stands on servers that are made for each request is learned again and again. */
const maxKnown = 10_000

interface Notification {
  method: string
  params: object
}

/** Most of what a stream carries is none, and is not read. */
const readNotification = (event: string): Notification | undefined => {
  if (!event.includes('"notifications/')) return undefined
  try {
    const { method, params } = Object(JSON.parse(event)) as Record<string, unknown>
    return typeof method === 'string' ? { method, params: Object(params) as object } : undefined
  } catch {
    return undefined
  }
}

const lists = new Map<string, (known: Registry) => Iterable<AccessRule>>([
  ['notifications/tools/list_changed', ({ tools }) => tools.values()],
  ['notifications/prompts/list_changed', ({ prompts }) => prompts.values()],
  [
    'notifications/resources/list_changed',
    ({ resources, templates }) => [
      ...resources.values(),
      ...[...templates.values()].map(({ rule }) => rule),
    ],
  ],
])

/** It says that something has changed and not what: where there is a secret, it may be that. */
const tellsOfSecret = (known: Registry, method: string, caller: Caller): boolean => {
  for (const rule of lists.get(method)?.(known) ?? []) if (isHidden(rule, caller)) return true
  return false
}

const keepsUpdate = (known: Registry, { params }: Notification, caller: Caller): boolean => {
  const uri: unknown = Reflect.get(params, 'uri')
  const rule = typeof uri === 'string' ? ruleForUri(known, uri) : undefined
  // Who could not read it is not told when it would be worth reading.
  return !rule || standingOf(rule, caller) === 'allowed'
}

export const createNotices = (): Notices => {
  const known = createRegistry()
  const put = <Value>(map: Map<string, Value>, key: string, value: Value): void => {
    if (map.size < maxKnown || map.has(key)) map.set(key, value)
  }
  return {
    note: (list, key, rule) => put(known[list], key, rule),
    noteTemplate: (key, entry) => put(known.templates, key, entry),
    keeps: (caller, event) => {
      const notification = readNotification(event)
      if (!notification) return true
      if (notification.method === 'notifications/resources/updated') {
        return keepsUpdate(known, notification, caller)
      }
      return !tellsOfSecret(known, notification.method, caller)
    },
  }
}
