/** Attempts at operations, written down before and after, and repeated with the same key. */
import type { Acknowledgements, Kind, Operation, Outcome } from './acknowledgements.js'
import { attempt, patience } from './ledger-client.js'
import { type Random, sleep } from './seeded.js'

/** What may be charged in a round. */
export interface Target {
  delegationId: string
  token: string
}

export interface Load {
  random: Random
  log: Acknowledgements
  targets: readonly Target[]
  /** Where to send the next request; `undefined` when there is nobody to send it to. */
  address: (random: Random) => string | undefined
  /** Another way to make an attempt, such as through a proxy. */
  send?: (url: string, operation: Operation, random: Random) => Promise<Outcome>
}

let serial = 0
export const newKey = (kind: Kind): string => {
  serial += 1
  return `${kind}-${serial}-${crypto.randomUUID()}`
}

/** @returns false when it is still in doubt */
export const tryOnce = async (
  load: Load,
  operation: Operation,
  random: Random,
): Promise<boolean> => {
  const url = load.address(random)
  if (url === undefined) {
    await sleep(5)
    return false
  }
  const { send = (url, operation) => attempt(url, operation) } = load
  load.log.note(operation, await send(url, operation, random))
  return operation.answer !== undefined
}

/** @throws Error when there is no answer, though everything should be up by then */
export const untilAnswered = async (
  load: Load,
  operation: Operation,
  random: Random,
): Promise<void> => {
  const begun = performance.now()
  while (!(await tryOnce(load, operation, random))) {
    if (performance.now() - begun > patience) {
      throw new Error(`${operation.kind} ${operation.key} is in doubt for too long`)
    }
    await sleep(20)
  }
}

/** Runs a few at a time. */
export const runAll = async <T>(
  things: readonly T[],
  run: (thing: T) => Promise<void>,
): Promise<void> => {
  const waiting = [...things]
  const worker = async (): Promise<void> => {
    for (let thing = waiting.shift(); thing !== undefined; thing = waiting.shift()) await run(thing)
  }
  await Promise.all(Array.from({ length: 16 }, worker))
}
