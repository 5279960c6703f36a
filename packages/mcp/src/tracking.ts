/** The rule of what is registered goes where it goes: the SDKs let it be changed and removed later. */

interface Tracked<Value> {
  map: Map<string, Value>
  key: string
  value: Value
  /** The member of an update that is the key. */
  member: 'name' | 'uri'
  /** Puts the same rule around what shall run from now on. */
  guard: (callback: unknown) => unknown
  /** Told of every key that it has, the first one too. */
  named?: (key: string) => void
  /** What else of an update the value has to follow, and what the SDK gets in its place. */
  follow?: (changes: object) => object
}

type Update = (changes: unknown) => unknown

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null

const isUpdate = (value: unknown): value is Update => typeof value === 'function'

/**
 * Remembers the rule, and follows what the SDK gave for it. Most of what the SDKs register stays under
 * each name that it was given after the first, even when it is renamed or removed again. So only the
 * first is forgotten: a rule for what is not there shows nothing to anybody.
 */
export const track = <Value>(registered: unknown, tracked: Tracked<Value>): void => {
  const { map, key, value, member, guard, named, follow } = tracked
  map.set(key, value)
  named?.(key)
  if (!isObject(registered)) return
  const update: unknown = Reflect.get(registered, 'update')
  if (!isUpdate(update)) return
  const change: Update = (changes) => {
    if (!isObject(changes)) return Reflect.apply(update, registered, [changes])
    const next: unknown = Reflect.get(changes, member)
    const callback: unknown = Reflect.get(changes, 'callback')
    const guarded = {
      ...changes,
      ...(callback !== undefined && { callback: guard(callback) }),
      ...follow?.(changes),
    }
    // Before it is there, and gone only after it is.
    if (typeof next === 'string') {
      map.set(next, value)
      named?.(next)
    }
    const result = Reflect.apply(update, registered, [guarded])
    const hasLeft = next !== undefined && next !== key
    if (hasLeft && map.get(key) === value) map.delete(key)
    return result
  }
  Reflect.set(registered, 'update', change)
}
