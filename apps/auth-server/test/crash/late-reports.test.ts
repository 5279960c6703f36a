/** Reports of leases that arrive when nobody expects them any more, through a network that is late. */
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { createDatabase } from '../harness.js'
import { headersOf } from './ledger-client.js'
import { openScene, type Scene } from './scene.js'
import { seededRandom } from './seeded.js'
import { type BadNetwork, startBadNetwork } from './tcp-proxy.js'

describe.runIf(inject('postgresUrl'))('a message about a lease that is late', () => {
  const random = seededRandom('late reports')
  let database: Awaited<ReturnType<typeof createDatabase>>
  let scene: Scene
  let slow: BadNetwork
  /** What is sent through the slow network arrives when this is called. */
  let arrive = (): void => {}
  beforeAll(async () => {
    database = await createDatabase()
    scene = await openScene({ databaseUrl: database.url, random })
    const untilAsked = () =>
      new Promise<void>((resolve) => {
        arrive = resolve
      })
    slow = await startBadNetwork({
      target: () => scene.reachable(random),
      fate: () => ({ delayRequest: untilAsked() }),
    })
  })
  afterAll(async () => {
    await slow.close()
    await scene.close(database.drop)
  })

  const post = async (path: string, body: object, key: string, url = scene.url()) => {
    const response = await fetch(`${url}/ledger${path}`, {
      method: 'POST',
      headers: headersOf({ key }),
      body: JSON.stringify(body),
    })
    return { status: response.status, body: (await response.json()) as Record<string, unknown> }
  }
  const send = (path: string, body: object) => post(path, body, crypto.randomUUID())

  /** Sends what will arrive late, and what overtakes it. @returns both answers, the late one first */
  const overtaken = async <T>(path: string, body: object, meanwhile: () => Promise<T>) => {
    const key = crypto.randomUUID()
    const sent = slow.recorded.length
    const late = post(path, body, key, slow.url)
    await expect.poll(() => slow.recorded.length).toBe(sent + 1)
    const overtaking = await meanwhile()
    const before = await scene.books.balances()
    arrive()
    const answer = await late
    expect(await post(path, body, key)).toEqual(answer)
    return { answer, overtaking, before, after: await scene.books.balances() }
  }

  const delegation = async (): Promise<string> => {
    const { targets } = await scene.createLoad(['1'])
    return targets[0]?.delegationId ?? ''
  }
  const open = async (delegationId: string, holder: string) => {
    const want = { delegation_id: delegationId, want_usd: '0.1', holder }
    const { status, body } = await send('/leases', want)
    expect(status).toBe(201)
    return String(body.id)
  }

  test('changes nothing when a newer report was there before it', async () => {
    const id = await open(await delegation(), 'one')
    const old = { seq: 1, spent_usd: '0.01', want_usd: '0.1' }
    const newer = { seq: 2, spent_usd: '0.05', want_usd: '0.02' }
    const first = await overtaken(`/leases/${id}/renew`, old, () =>
      send(`/leases/${id}/renew`, newer),
    )
    expect(first.overtaking).toMatchObject({ status: 200, body: { amount_usd: '0.02' } })
    expect(first.answer).toMatchObject({ status: 409, body: { error: 'stale_report' } })
    expect(first.after).toBe(first.before)

    const last = await overtaken(`/leases/${id}/renew`, { ...newer, seq: 3 }, () =>
      send(`/leases/${id}/close`, { seq: 4, spent_usd: '0.06' }),
    )
    expect(last.overtaking).toMatchObject({ status: 200, body: { state: 'closed' } })
    expect(last.answer).toMatchObject({ status: 409, body: { error: 'lease_ended' } })
    expect(last.after).toBe(last.before)
    expect(await scene.books.problems()).toEqual([])
  })

  test('takes no money twice when it opens what its holder has opened again since', async () => {
    const id = await delegation()
    const want = { delegation_id: id, want_usd: '0.1', holder: 'two' }
    const { answer, overtaking } = await overtaken('/leases', want, async () => {
      const lease = await open(id, 'two')
      const report = { seq: 1, spent_usd: '0.03', want_usd: '0.05' }
      expect((await send(`/leases/${lease}/renew`, report)).status).toBe(200)
      return lease
    })
    expect(answer).toMatchObject({ status: 201, body: { epoch: 2, amount_usd: '0.1' } })
    // The holder, who knows of the other one only, is told that it has ended, and reports the rest.
    const renewed = await send(`/leases/${overtaking}/renew`, { seq: 2, spent_usd: '0.04' })
    expect(renewed).toMatchObject({ status: 200, body: { state: 'expired', amount_usd: '0' } })
    const report = { seq: 3, spent_usd: '0.04' }
    expect((await send(`/leases/${overtaking}/close`, report)).body.state).toBe('closed')
    const unused = { seq: 1, spent_usd: '0' }
    expect((await send(`/leases/${answer.body.id}/close`, unused)).body.state).toBe('closed')
    expect(await scene.books.spent(id)).toBe(40_000n)
    expect(await scene.books.problems()).toEqual([])
  })
})
