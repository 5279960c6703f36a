/** One run: what the model knows of it, and how a request goes out and its answer is held against it. */
import { randomBytes } from 'node:crypto'
import { expect } from 'vitest'
import type { Answer, TestServer } from '../harness.js'
import { decide, recall } from './oracle.js'
import { type Expected, type Request, usd } from './requests.js'
import { charger, type Tree } from './tree.js'
import { hear, type Told, type Verifier } from './verifiers.js'
import type { World } from './world.js'

/** A request with its key: whoever sends it again gets the same answer. */
export interface Sent {
  request: Request
  key: string
  verifier: Verifier | undefined
  about: Told | undefined
  /** What is kept for its key. */
  answer: Answer | undefined
}

export interface Run {
  server: TestServer
  tree: Tree
  world: World
  verifiers: Verifier[]
  sent: Sent[]
  /** What the server calls the holds and leases of the model. */
  ids: Map<string, string>
  /** Those whose id has reached the one who asked for it. */
  heard: Set<string>
  names: number
  /** Counts what has happened. */
  count: (what: string) => void
}

export const newName = (run: Run): string => {
  run.names += 1
  return `#${run.names}`
}

const money = (units: number | undefined): string | undefined =>
  units === undefined ? undefined : usd(units)

const wanting = (wants: {
  want: number | undefined
  need: number | undefined
  wantRequests: number | undefined
  ttl: number
}) => ({
  want_usd: money(wants.want),
  need_usd: money(wants.need),
  want_requests: wants.wantRequests,
  ttl_seconds: wants.ttl,
})

const told = (report: {
  seq: number
  spent: number | undefined
  requests: number | undefined
}) => ({
  seq: report.seq,
  spent_usd: money(report.spent),
  requests: report.requests,
})

interface Wire {
  client: string
  path: string
  body: object
}

/** As it is spelt on the wire. */
export const toWire = ({ ids, tree: { admin } }: Run, request: Request): Wire => {
  const idOf = (name: string): string => ids.get(name) ?? 'rsv_unknown'
  switch (request.kind) {
    case 'reserve': {
      const { node: delegation_id, ttl: ttl_seconds, onExpiry: on_expiry, amount } = request
      const body = { delegation_id, amount_usd: usd(amount), action: 'a', ttl_seconds, on_expiry }
      return { client: charger, path: '/reservations', body }
    }
    case 'end': {
      const { hold, actual } = request
      const verb = actual === undefined ? 'release' : 'settle'
      const body = actual === undefined ? {} : { amount_usd: usd(actual) }
      return { client: charger, path: `/reservations/${idOf(hold)}/${verb}`, body }
    }
    case 'open': {
      const { node: delegation_id, holder } = request
      const body = { delegation_id, holder, ...wanting(request) }
      return { client: charger, path: '/leases', body }
    }
    case 'renew': {
      const body = { ...told(request), ...wanting(request) }
      return { client: charger, path: `/leases/${idOf(request.lease)}/renew`, body }
    }
    case 'close':
      return { client: charger, path: `/leases/${idOf(request.lease)}/close`, body: told(request) }
    case 'cap': {
      const body = { cap_usd: money(request.cap) ?? null }
      return { client: admin, path: `/budgets/${request.budget}/cap`, body }
    }
    case 'topUp': {
      const body = { amount_usd: usd(request.by) }
      return { client: admin, path: `/budgets/${request.budget}/top-up`, body }
    }
    case 'giveBack':
      return { client: admin, path: `/budgets/${request.node}/close`, body: {} }
    case 'revoke':
      return { client: admin, path: `/delegations/${request.node}/revoke`, body: {} }
  }
}

export const send = (run: Run, { request, key }: Sent): Promise<Answer> => {
  const { client, path, body } = toWire(run, request)
  return request.kind === 'revoke'
    ? run.server.api(client, path, body)
    : run.server.ledger(client, path, body, key)
}

export const create = (
  run: Run,
  request: Request,
  verifier?: Verifier | undefined,
  about?: Told | undefined,
): Sent => {
  const key = randomBytes(8).toString('hex')
  const sent: Sent = { request, key, verifier, about, answer: undefined }
  if (request.kind !== 'revoke') run.sent.push(sent)
  return sent
}

/** Members that matter, side by side. */
const sides = ({ status, body }: Answer, expected: Expected) => {
  const names = Object.keys(expected.body)
  return {
    said: { status, ...Object.fromEntries(names.map((name) => [name, body[name]])) },
    expected: { status: expected.status, ...expected.body },
  }
}

export const matches = (answer: Answer, expected: Expected): boolean =>
  answer.status === expected.status &&
  Object.entries(expected.body).every(([name, value]) => answer.body[name] === value)

export const check = (answer: Answer, expected: Expected, request: unknown): void => {
  const { said, expected: should } = sides(answer, expected)
  expect({ request, said }).toEqual({ request, said: should })
}

const flags = ['tail', 'recalled'] as const

/** An answer that the model has accepted. */
export const record = (
  run: Run,
  sent: Sent,
  answer: Answer,
  { kept, note = [] }: { kept: boolean; note?: string | string[] | undefined },
): void => {
  const { request } = sent
  const { body, status } = answer
  const set = flags.filter((flag) => body[flag] === true)
  const epoch = Number(body.epoch) > 1 ? ['again'] : []
  const said = [body.error_detail ?? body.error ?? body.state ?? [], set, epoch, note].flat()
  run.count([request.kind, status, ...said].join(' '))
  if (kept) sent.answer = answer
  if ('as' in request && status === 201) run.ids.set(request.as, String(body.id))
}

/** The one who asked hears the answer. */
export const listen = (run: Run, { request, verifier, about }: Sent, answer: Answer): void => {
  if ('as' in request && answer.status === 201) run.heard.add(request.as)
  if (verifier && about) hear(verifier, answer, about)
}

/** Sends it, or sends it again. */
export const deliver = async (run: Run, sent: Sent, copies = 1): Promise<Answer> => {
  const all = await Promise.all(Array.from({ length: copies }, () => send(run, sent)))
  const [answer, ...others] = all
  if (!answer) throw new Error('nothing was sent')
  for (const { status, body } of others) {
    expect([status, body]).toEqual([answer.status, answer.body])
  }
  if (sent.answer) {
    const { status, body } = sent.answer
    expect([answer.status, answer.body]).toEqual([status, body])
    run.count('repeated')
    return answer
  }
  const expected = decide(run.world, sent.request)
  check(answer, expected, sent.request)
  if (expected.recall !== undefined) recall(run.world, expected.recall)
  record(run, sent, answer, expected)
  return answer
}
