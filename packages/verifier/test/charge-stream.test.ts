import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Caller, Verifier } from '../src/index.js'
import { refusal } from './issuer.js'
import { createWorld, turn, usd, type World } from './lease-world.js'

const own = 'dlg_3'
const write = { action: 'docs.write', cost: '0.10' }
const encoder = new TextEncoder()

let world: World
let verifier: Verifier
let caller: Caller

const setUp = async (lends: boolean) => {
  if (!lends) {
    world.auth.state.leaseAnswer = () => Response.json({ error: 'not_found' }, { status: 404 })
  }
  verifier = world.verifier()
  caller = await world.caller(verifier)
}
beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  world = await createWorld()
  world.ledger.budgetOf(own).cap = usd('10')
})
afterEach(() => {
  expect(world.ledger.state.violations).toEqual([])
  vi.useRealTimers()
})

/** A source that says what was asked of it. */
const createSource = (chunks: number, failsAt = -1) => {
  const seen = { pulls: 0, cancelled: undefined as unknown }
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>(
    {
      pull: (controller) => {
        if (seen.pulls === failsAt) throw new Error('of the source')
        seen.pulls += 1
        if (seen.pulls > chunks) controller.close()
        else controller.enqueue(encoder.encode(`${seen.pulls},`))
      },
      cancel: (reason) => {
        seen.cancelled = reason
      },
    },
    { highWaterMark: 0 },
  )
  return { body, seen }
}
const spent = async (): Promise<bigint> => {
  await turn()
  await verifier.close()
  expect(world.ledger.budgetOf(own).held).toBe(0n)
  return world.ledger.budgetOf(own).spent
}
const isHeld = () => world.ledger.budgetOf(own).held >= usd('0.10')

/** What the ledger would be told now: by a renewal, or as it was settled. */
const ended = async () => {
  await world.pass(16)
  return world.ledger.budgetOf(own).spent
}

describe.each([
  ['on a lease', true],
  ['by reservation', false],
])('a stream that is charged %s', (_how, lends) => {
  beforeEach(() => setUp(lends))

  it('is passed through, and costs all of it at its end', async () => {
    const { body } = createSource(3)
    const stream = await verifier.chargeStream(caller, write, () => body)
    expect(isHeld()).toBe(true)
    expect(await new Response(stream).text()).toBe('1,2,3,')
    expect(await spent()).toBe(usd('0.10'))
  })

  it('costs what was said last', async () => {
    const response = await verifier.chargeStream(caller, write, async ({ settle }) => {
      const { body } = createSource(3)
      let cost = 0n
      const count = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
        transform: (chunk, controller) => {
          cost += 10_000n
          settle(cost)
          controller.enqueue(chunk)
        },
      })
      return new Response(body.pipeThrough(count))
    })
    expect(await response.text()).toBe('1,2,3,')
    expect(await spent()).toBe(usd('0.03'))
  })

  it('costs what the result says at its end', async () => {
    const { body, seen } = createSource(4)
    const cost = { max: '0.10', actual: () => BigInt(seen.pulls) * 1000n }
    const stream = await verifier.chargeStream(caller, { ...write, cost }, () => body)
    await new Response(stream).text()
    expect(await spent()).toBe(5000n)
  })

  it('costs all of it when the result cannot say, and its reader is none the wiser', async () => {
    const { body } = createSource(2)
    const cost = { max: '0.10', actual: () => 'a lot' }
    const stream = await verifier.chargeStream(caller, { ...write, cost }, () => body)
    expect(await new Response(stream).text()).toBe('1,2,')
    expect(world.log.error).toHaveBeenCalledTimes(1)
    expect(await spent()).toBe(usd('0.10'))
  })

  it('costs nothing when its reader goes, and its source is told', async () => {
    const { body, seen } = createSource(9)
    const stream = await verifier.chargeStream(caller, write, () => body)
    const reader = stream.getReader()
    await reader.read()
    await reader.cancel('gone')
    expect(seen.cancelled).toBe('gone')
    expect(await spent()).toBe(0n)
  })

  it('costs what was said until its reader went', async () => {
    const { body } = createSource(9)
    const stream = await verifier.chargeStream(caller, write, ({ settle }) => {
      settle('0.02')
      return body
    })
    await stream.cancel()
    expect(await spent()).toBe(usd('0.02'))
  })

  it('costs nothing when it fails, and fails as it failed', async () => {
    const { body } = createSource(9, 2)
    const stream = await verifier.chargeStream(caller, write, () => body)
    await expect(new Response(stream).text()).rejects.toThrow('of the source')
    expect(await spent()).toBe(0n)
  })

  it('costs nothing when its caller aborts while it is read', async () => {
    const { body, seen } = createSource(9)
    const controller = new AbortController()
    const { signal } = controller
    const stream = await verifier.chargeStream(caller, { ...write, signal }, () => body)
    const reader = stream.getReader()
    await reader.read()
    controller.abort(new Error('of the caller'))
    await expect(reader.read()).rejects.toThrow('of the caller')
    expect(seen.cancelled).toBe(signal.reason)
    expect(await spent()).toBe(0n)
  })

  it('costs nothing when its caller aborts while a chunk is awaited', async () => {
    const controller = new AbortController()
    const { signal } = controller
    const never = new ReadableStream({ pull: () => new Promise(() => undefined) })
    const stream = await verifier.chargeStream(caller, { ...write, signal }, () => never)
    const reading = stream.getReader().read()
    await turn()
    controller.abort(new Error('of the caller'))
    await expect(reading).rejects.toThrow('of the caller')
    expect(await spent()).toBe(0n)
  })

  it('is not charged twice when it is aborted after its end', async () => {
    const controller = new AbortController()
    const { signal } = controller
    const { body } = createSource(1)
    const stream = await verifier.chargeStream(caller, { ...write, signal }, () => body)
    expect(await new Response(stream).text()).toBe('1,')
    controller.abort()
    expect(await spent()).toBe(usd('0.10'))
  })

  it('asks its source for no more than its reader asks for', async () => {
    const { body, seen } = createSource(100)
    const stream = await verifier.chargeStream(caller, write, () => body)
    await turn()
    expect(seen.pulls).toBe(0)
    const reader = stream.getReader()
    for (let index = 0; index < 5; index += 1) await reader.read()
    await turn()
    expect(seen.pulls).toBeLessThanOrEqual(6)
    await reader.cancel()
  })

  it('counts as read when nobody reads on for its time, and can still be read', async () => {
    const { body } = createSource(3)
    const options = { ...write, ttlSeconds: 5 }
    const stream = await verifier.chargeStream(caller, options, () => body)
    await world.pass(5)
    expect(await ended()).toBe(usd('0.10'))
    expect(await new Response(stream).text()).toBe('1,2,3,')
    expect(await spent()).toBe(usd('0.10'))
    expect(world.log.error).not.toHaveBeenCalled()
  })

  it('costs nothing when it could not be made', async () => {
    const work = verifier.chargeStream(caller, write, async () => {
      throw new Error('of the action')
    })
    await expect(work).rejects.toThrow('of the action')
    expect(await spent()).toBe(0n)
  })

  it('must be one, and one that nobody else reads', async () => {
    const wrong = verifier.chargeStream(caller, write, () => 'text' as unknown as Response)
    await expect(wrong).rejects.toThrow(TypeError)
    const { body } = createSource(3)
    body.getReader()
    await expect(verifier.chargeStream(caller, write, () => body)).rejects.toThrow(TypeError)
    expect(await spent()).toBe(0n)
  })
})

describe('a response', () => {
  beforeEach(() => setUp(true))

  it('keeps its status and headers, and says what is left before it is known what it costs', async () => {
    const made = new Response(createSource(1).body, { status: 206, headers: { ETag: '"x"' } })
    const response = await verifier.chargeStream(caller, write, () => made)
    expect(response.status).toBe(206)
    expect(response.headers.get('etag')).toBe('"x"')
    expect(response.headers.get('agent-budget')).toBe('remaining=9900000; unit="USD"; decimals=6')
  })

  it('without a body is charged at once', async () => {
    const response = await verifier.chargeStream(caller, write, ({ settle }) => {
      settle('0.01')
      return new Response(null, { status: 204 })
    })
    expect(response.status).toBe(204)
    expect(await spent()).toBe(usd('0.01'))
  })

  it('that is refused is none', async () => {
    world.ledger.budgetOf(own).cap = usd('0.05')
    const ran = vi.fn(() => new Response('x'))
    expect(await refusal(verifier.chargeStream(caller, write, ran))).toMatchObject({ status: 402 })
    expect(ran).not.toHaveBeenCalled()
  })

  it('says nothing of a budget where nobody keeps one', async () => {
    verifier = world.verifier({ budget: 'advisory' })
    const response = await verifier.chargeStream(caller, write, () => new Response('x'))
    expect(response.headers.get('agent-budget')).toBeNull()
    expect(await response.text()).toBe('x')
  })
})

it('holds its money on a lease for as long as it is read', async () => {
  await setUp(true)
  const { body } = createSource(3)
  const stream = await verifier.chargeStream(caller, write, () => body)
  const reader = stream.getReader()
  for (let index = 0; index < 3; index += 1) {
    await reader.read()
    await world.pass(55)
    expect(isHeld()).toBe(true)
  }
  expect(await reader.read()).toMatchObject({ done: true })
  expect(await spent()).toBe(usd('0.10'))
})
