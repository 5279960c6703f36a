/** Rows by their keys. Requests of one moment share a statement: it starts after the last of them, so none is stale. */
import { createBatch } from './batch.js'

/**
 * @param read the rows of all these keys, each once
 * @returns finds those that there are, each once and in the order asked for
 */
export const batchRows = <Value>(
  read: (keys: readonly string[]) => Promise<readonly Value[]>,
  keyOf: (value: Value) => string,
): ((keys: readonly string[]) => Promise<Value[]>) =>
  createBatch(async (asked: (readonly string[])[]): Promise<Value[][]> => {
    const values = await read([...new Set(asked.flat())])
    const byKey = new Map(values.map((value) => [keyOf(value), value]))
    return asked.map((keys) => [...new Set(keys)].flatMap((key) => byKey.get(key) ?? []))
  })
