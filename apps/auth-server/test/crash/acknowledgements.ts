/** What the client side knows: what it asked for, and what it was told. Written before and after. */

export type Kind = 'reserve' | 'settle' | 'release' | 'lease' | 'renew' | 'close'

export interface Answer {
  status: number
  body: Record<string, unknown>
}

export interface Operation {
  kind: Kind
  /** The Idempotency-Key, one for all attempts. */
  key: string
  path: string
  body: Record<string, unknown>
  delegationId: string
  /** Of a settlement or a release. */
  reservationId?: string
  /** Of a renewal or a close. */
  leaseId?: string
  /** The first answer that is no "try again"; absent while nobody knows what became of it. */
  answer?: Answer
  attempts: number
}

/** How one attempt went. */
export type Outcome = { lost: unknown } | { answer: Answer; retryAfter: string | null }

/** What may be answered in these tests. Anything else is a finding. */
const expected: Record<Kind, readonly number[]> = {
  reserve: [201, 402],
  settle: [200, 409],
  release: [200, 409],
  lease: [201, 402],
  renew: [200, 402],
  close: [200],
}

const same = (one: unknown, other: unknown): boolean =>
  JSON.stringify(sorted(one)) === JSON.stringify(sorted(other))

/** JSON has no order of members, and neither has what PostgreSQL keeps of it. */
const sorted = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).toSorted(([one], [other]) => (one < other ? -1 : 1))
  return entries.map(([name, member]) => [name, sorted(member)])
}

export const sameAnswer = (one: Answer, other: Answer): boolean =>
  one.status === other.status && same(one.body, other.body)

export const createAcknowledgements = () => {
  const operations = new Map<string, Operation>()
  /** What must never happen, in words. */
  const findings: string[] = []
  const counts = { attempts: 0, lost: 0, unavailable: 0, acknowledged: 0, repeated: 0 }

  const describe = ({ kind, key, path }: Operation): string => `${kind} ${path} with key ${key}`

  const noteAnswer = (operation: Operation, answer: Answer): void => {
    if (!expected[operation.kind].includes(answer.status)) {
      findings.push(`${describe(operation)}: ${answer.status} ${JSON.stringify(answer.body)}`)
    }
    if (!operation.answer) {
      operation.answer = answer
      counts.acknowledged += 1
      return
    }
    counts.repeated += 1
    if (sameAnswer(operation.answer, answer)) return
    const [first, again] = [operation.answer, answer].map((one) => JSON.stringify(one))
    findings.push(`${describe(operation)}: first ${first}, then ${again}`)
  }

  return {
    findings,
    counts,

    /** Before it is sent for the first time. */
    begin: (operation: Omit<Operation, 'attempts'>): Operation => {
      const begun = { ...operation, attempts: 0 }
      operations.set(operation.key, begun)
      return begun
    },

    note: (operation: Operation, outcome: Outcome): void => {
      counts.attempts += 1
      operation.attempts += 1
      if ('lost' in outcome) {
        counts.lost += 1
        // Nobody gives up by this name here but who was patient for long: it was never answered.
        if ((outcome.lost as { name?: unknown }).name === 'TimeoutError') {
          findings.push(`${describe(operation)}: no answer at all`)
        }
        return
      }
      const { answer, retryAfter } = outcome
      if (answer.status !== 503) {
        noteAnswer(operation, answer)
        return
      }
      counts.unavailable += 1
      if (!(Number(retryAfter) > 0) || answer.body.error !== 'temporarily_unavailable') {
        findings.push(
          `${describe(operation)}: 503, Retry-After ${retryAfter}, ${answer.body.error}`,
        )
      }
    },

    of: (delegationIds?: readonly string[]): Operation[] =>
      [...operations.values()].filter(
        ({ delegationId }) => !delegationIds || delegationIds.includes(delegationId),
      ),
    find: (key: string): Operation | undefined => operations.get(key),
    inDoubt: (): Operation[] => [...operations.values()].filter(({ answer }) => !answer),
  }
}

export type Acknowledgements = ReturnType<typeof createAcknowledgements>
