/** What a charge costs when only its result can tell, and when its caller has gone. */
import { beforeEach, describe, expect, expectTypeOf, it, vi } from 'vitest'
import type { Caller, Verifier } from '../src/index.js'
import { createGate, createWorld, turn, usd, type World } from './lease-world.js'

const own = 'dlg_3'
const action = 'docs.read'

let world: World
let verifier: Verifier
let caller: Caller

beforeEach(async () => {
  world = await createWorld()
  world.ledger.budgetOf(own).cap = usd('10')
  verifier = world.verifier()
  caller = await world.caller(verifier)
})
const spent = async (): Promise<bigint> => {
  await verifier.close()
  expect(world.ledger.budgetOf(own).held).toBe(0n)
  return world.ledger.budgetOf(own).spent
}

describe('a cost that the result tells', () => {
  const cost = { max: '0.10', actual: ({ pages }: { pages: number }) => BigInt(pages) * 10_000n }

  it('is charged, up to the most', async () => {
    const work = verifier.chargeWithReceipt(caller, { action, cost }, () => ({ pages: 3 }))
    expect((await work).receipt.cost).toBe(usd('0.03'))
    expect(await spent()).toBe(usd('0.03'))
  })

  it('is what the action said, where it has said something', async () => {
    await verifier.charge(caller, { action, cost }, ({ settle }) => {
      settle('0.07')
      return { pages: 3 }
    })
    expect(await spent()).toBe(usd('0.07'))
  })

  it('is all of it when it cannot be told, since the work was done', async () => {
    const broken = { max: '0.10', actual: () => 'a lot' }
    const work = verifier.charge(caller, { action, cost: broken }, () => 1)
    await expect(work).rejects.toThrow(TypeError)
    expect(await spent()).toBe(usd('0.10'))
  })

  it('is nothing when the action fails', async () => {
    const work = verifier.charge(caller, { action, cost }, (): { pages: number } => {
      throw new Error('of the action')
    })
    await expect(work).rejects.toThrow('of the action')
    expect(await spent()).toBe(0n)
  })

  it('knows the type of the result', async () => {
    const seen = vi.fn((_pages: number) => '0.01')
    const result = await verifier.charge(
      caller,
      { action, cost: { max: '0.10', actual: ({ pages }) => seen(pages) } },
      async () => ({ pages: 3 }),
    )
    expectTypeOf(result).toEqualTypeOf<{ pages: number }>()
    expect(seen).toHaveBeenCalledWith(3)
  })

  it.each([{ max: 'x', actual: () => '0' }, { max: '0.10' }, null])(
    'is a mistake of the developer when it is %j',
    async (wrong) => {
      const ran = vi.fn()
      const work = verifier.charge(caller, { action, cost: wrong as unknown as string }, ran)
      await expect(work).rejects.toThrow(TypeError)
      expect(ran).not.toHaveBeenCalled()
    },
  )
})

describe('a caller that has gone', () => {
  it('before it began has nothing held and nothing run', async () => {
    const ran = vi.fn()
    const signal = AbortSignal.abort(new Error('gone'))
    const work = verifier.charge(caller, { action, cost: '0.10', signal }, ran)
    await expect(work).rejects.toThrow('gone')
    expect(ran).not.toHaveBeenCalled()
    expect(world.ledger.paths()).toEqual([])
  })

  it('while money was asked for gets it back, and nothing is run', async () => {
    const gate = createGate()
    world.ledger.state.delay = () => gate.opened
    const ran = vi.fn()
    const controller = new AbortController()
    const options = { action, cost: '0.10', signal: controller.signal }
    const work = verifier.charge(caller, options, ran)
    await turn()
    controller.abort(new Error('gone'))
    gate.open()
    await expect(work).rejects.toThrow('gone')
    expect(ran).not.toHaveBeenCalled()
    expect(await spent()).toBe(0n)
  })

  const runUntilAborted = (said?: string) => {
    const controller = new AbortController()
    const { signal } = controller
    const work = verifier.charge(caller, { action, cost: '0.10', signal }, async ({ settle }) => {
      if (said) settle(said)
      controller.abort(new Error('gone'))
      signal.throwIfAborted()
    })
    return expect(work).rejects.toThrow('gone')
  }
  it('while it ran gets everything back', async () => {
    await runUntilAborted()
    expect(await spent()).toBe(0n)
  })

  it('while it ran pays for what was used', async () => {
    await runUntilAborted('0.04')
    expect(await spent()).toBe(usd('0.04'))
  })

  it('pays for an action that was done all the same', async () => {
    const controller = new AbortController()
    const options = { action, cost: '0.10', signal: controller.signal }
    expect(await verifier.charge(caller, options, () => controller.abort())).toBeUndefined()
    expect(await spent()).toBe(usd('0.10'))
  })
})
