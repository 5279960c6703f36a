/** What was read, kept in this process for as long as the version lasts that it was read at. */

/** Entries of all kinds, of one version. */
export interface Memory {
  /** What is kept is of this version; `undefined` before anything was read. */
  version: () => string | undefined
  /** Before a read is sent. */
  begin: () => number
  /** @returns false for what may be older than what is known by now, and must not be kept */
  learn: (asOf: string, begun: number) => boolean
  space: <Value>(maxEntries: number) => Space<Value>
}

export interface Space<Value> {
  get: (key: string) => Value | undefined
  /** Beyond the bound the oldest goes. */
  put: (key: string, value: Value) => void
}

const createSpace = <Value>(entries: Map<string, unknown>, maxEntries: number): Space<Value> => ({
  get: (key) => entries.get(key) as Value | undefined,
  put: (key, value) => {
    const [oldest] = entries.size < maxEntries || entries.has(key) ? [] : entries.keys()
    if (oldest !== undefined) entries.delete(oldest)
    entries.set(key, value)
  },
})

export const createMemory = (): Memory => {
  const spaces: Map<string, unknown>[] = []
  let version: string | undefined
  let learnt = 0
  let turn = 0
  const next = (): number => {
    turn += 1
    return turn
  }
  return {
    version: () => version,
    begin: next,
    learn: (asOf, begun) => {
      if (asOf === version) return true
      // Sent before the version of today was known: it may have seen the database as it was before.
      if (begun <= learnt) return false
      version = asOf
      learnt = next()
      for (const entries of spaces) entries.clear()
      return true
    },
    space: (maxEntries) => {
      const entries = new Map<string, unknown>()
      spaces.push(entries)
      return createSpace(entries, maxEntries)
    },
  }
}

/** A read whose answers are kept. */
export interface Remembered<Key, Value> {
  /** What is kept, without a read. */
  peek: (key: Key) => Value | undefined
  /** Reads, and keeps what it finds. */
  load: (key: Key) => Promise<Value>
  find: (key: Key) => Promise<Value>
}

interface RememberOptions<Key, Value> {
  nameOf: (key: Key) => string
  read: (key: Key) => Promise<Value>
  /** `undefined` where nothing was found, which is not kept. */
  asOf: (value: Value) => string | undefined
  /** Absent: all that was found. */
  isKept?: (value: Value) => boolean
  maxEntries: number
}

export const remember = <Key, Value>(
  memory: Memory,
  { nameOf, read, asOf, isKept = () => true, maxEntries }: RememberOptions<Key, Value>,
): Remembered<Key, Value> => {
  const space = memory.space<Value>(maxEntries)
  const peek = (key: Key): Value | undefined => space.get(nameOf(key))
  const load = async (key: Key): Promise<Value> => {
    const begun = memory.begin()
    const value = await read(key)
    const version = asOf(value)
    const isOfToday = version !== undefined && memory.learn(version, begun)
    if (isOfToday && isKept(value)) space.put(nameOf(key), value)
    return value
  }
  return { peek, load, find: async (key) => peek(key) ?? load(key) }
}
