/** The rule of what is registered goes where it goes: the SDKs let it be renamed and removed later. */

interface Tracked<Value> {
  map: Map<string, Value>
  key: string
  value: Value
  /** The member of an update that is the key. */
  member: 'name' | 'uri'
}

type Update = (changes: unknown) => unknown

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null

const isUpdate = (value: unknown): value is Update => typeof value === 'function'

const changeOf = (changes: unknown, member: string): unknown =>
  isObject(changes) ? Reflect.get(changes, member) : undefined

/** Remembers the rule, and follows what the SDK gave for it. */
export const track = <Value>(registered: unknown, tracked: Tracked<Value>): void => {
  const { map, value, member } = tracked
  let { key } = tracked
  map.set(key, value)
  if (!isObject(registered)) return
  const update: unknown = Reflect.get(registered, 'update')
  if (!isUpdate(update)) return
  const follow: Update = (changes) => {
    const next = changeOf(changes, member)
    if (next !== undefined) map.delete(key)
    if (typeof next === 'string') key = next
    if (next !== null) map.set(key, value)
    return Reflect.apply(update, registered, [changes])
  }
  Reflect.set(registered, 'update', follow)
}
