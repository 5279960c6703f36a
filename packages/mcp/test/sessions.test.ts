/** Sessions are bound to their caller, and there are never too many of them. */
import { expect, test } from 'vitest'
import type { SessionsOptions } from '../src/server.js'
import { guardOf, letIn } from './known-callers.js'

const guard = guardOf()

const openSessions = (options: SessionsOptions<string> = {}) => {
  const ended: string[] = []
  const sessions = guard.sessions<string>({ onEnd: (one) => ended.push(one), ...options })
  return { sessions, ended }
}

const statusOf = (found: string | Response | undefined) =>
  found instanceof Response ? found.status : found

test('the same caller finds it again, whatever their token says beside', async () => {
  const { sessions } = openSessions()
  sessions.open(await letIn(guard, {}), 's1', 'one')
  expect(sessions.find(await letIn(guard, { scope: [], lineage: ['dlg_2'] }), 's1')).toBe('one')
  expect(sessions.find(await letIn(guard, {}), undefined)).toBeUndefined()
  expect(sessions.find(await letIn(guard, {}), null)).toBeUndefined()
})

test.each([
  ['subject', { subject: 'usr_bob' }],
  ['actor', { actor: 'writer' }],
  ['tenant', { tenantId: 'globex' }],
  ['tenant, which is none,', { tenantId: undefined }],
  ['client', { clientId: 'writer' }],
])('with another %s it is not found, as if it were not there', async (_, other) => {
  const { sessions } = openSessions()
  sessions.open(await letIn(guard, {}), 's1', 'one')
  const authInfo = await letIn(guard, other)
  const [stolen, unknown] = ['s1', 's2'].map((id) => sessions.find(authInfo, id))
  if (!(stolen instanceof Response && unknown instanceof Response)) throw new Error('found')
  expect(stolen.status).toBe(404)
  expect(await stolen.text()).toBe(await unknown.text())
  expect([...stolen.headers]).toEqual([...unknown.headers])
})

test('names that look alike when they are joined are not the same caller', async () => {
  const { sessions } = openSessions()
  sessions.open(await letIn(guard, { subject: 'a","b', actor: 'c' }), 's1', 'one')
  const found = sessions.find(await letIn(guard, { subject: 'a', actor: 'b","c' }), 's1')
  expect(statusOf(found)).toBe(404)
})

test('an id is given once', async () => {
  const { sessions } = openSessions()
  sessions.open(await letIn(guard, {}), 's1', 'one')
  const other = await letIn(guard, { subject: 'usr_bob' })
  expect(() => sessions.open(other, 's1', 'two')).toThrow(TypeError)
  expect(() => sessions.open(other, '', 'two')).toThrow(TypeError)
  expect(sessions.find(await letIn(guard, {}), 's1')).toBe('one')
})

test('who did not come through this guard has none', async () => {
  const { sessions } = openSessions()
  const elsewhere = await letIn(guardOf(), {})
  const copied = { extra: { caller: { ...(await letIn(guard, {})).extra.caller } } }
  for (const authInfo of [undefined, {}, elsewhere, copied]) {
    expect(() => sessions.find(authInfo, 's1')).toThrow(/guarded/)
    expect(() => sessions.open(authInfo, 's1', 'one')).toThrow(/guarded/)
  }
})

test('one caller with too many loses their own, and nobody else does', async () => {
  const { sessions, ended } = openSessions({ maxPerCaller: 2 })
  const [alice, bob] = [await letIn(guard, {}), await letIn(guard, { subject: 'usr_bob' })]
  sessions.open(bob, 'b1', 'b1')
  for (const id of ['a1', 'a2']) sessions.open(alice, id, id)
  expect(sessions.find(alice, 'a1')).toBe('a1')
  sessions.open(alice, 'a3', 'a3')
  expect(ended).toEqual(['a2'])
  expect(statusOf(sessions.find(alice, 'a2'))).toBe(404)
  expect(sessions.find(bob, 'b1')).toBe('b1')
})

test('beyond the most of all the one that was unused for longest ends', async () => {
  const { sessions, ended } = openSessions({ max: 2 })
  const callers = await Promise.all(
    ['usr_a', 'usr_b', 'usr_c'].map((subject) => letIn(guard, { subject })),
  )
  for (const [index, caller] of callers.entries()) {
    sessions.open(caller, `s${index}`, `s${index}`)
  }
  expect(ended).toEqual(['s0'])
  expect(callers.map((caller, index) => statusOf(sessions.find(caller, `s${index}`)))).toEqual([
    404,
    's1',
    's2',
  ])
})

test('one that nobody uses is over', async () => {
  let now = 0
  const { sessions, ended } = openSessions({ idleSeconds: 10, now: () => now })
  const alice = await letIn(guard, {})
  sessions.open(alice, 's1', 'one')
  sessions.open(alice, 's2', 'two')
  now = 10_000
  expect(sessions.find(alice, 's1')).toBe('one')
  now = 10_001
  expect(statusOf(sessions.find(alice, 's2'))).toBe(404)
  expect(ended).toEqual(['two'])
  expect(sessions.find(alice, 's1')).toBe('one')
})

test('an end is told once, and a session that fails to close is over all the same', async () => {
  const ended: string[] = []
  const sessions = guard.sessions<string>({
    onEnd: (one) => {
      ended.push(one)
      // As a transport does, which says that it was closed when it is.
      sessions.end(one)
      throw new Error('it is stuck')
    },
  })
  const alice = await letIn(guard, {})
  for (const id of ['s1', 's2', 's3']) sessions.open(alice, id, id)
  sessions.end('s1')
  sessions.end('s1')
  sessions.end('unknown')
  sessions.close()
  expect(ended).toEqual(['s1', 's2', 's3'])
  expect(statusOf(sessions.find(alice, 's3'))).toBe(404)
})

test.each([{ max: 0 }, { maxPerCaller: 1.5 }, { idleSeconds: Number.NaN }])(
  'refuses bounds that are none: %j',
  (bounds) => expect(() => guard.sessions(bounds)).toThrow(TypeError),
)
