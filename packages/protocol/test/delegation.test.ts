import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Actor, actorChain, chainParties, checkNextActor, extendActor } from '../src/index.js'
import { refusal } from './refusal.js'

const chainOf = (...names: string[]): Actor | undefined =>
  names.reduceRight<Actor | undefined>((act, sub) => extendActor({ sub }, act), undefined)

describe('a chain of actors', () => {
  test('lists the current actor first and the first delegate last', () => {
    const act = chainOf('researcher', 'orchestrator')
    expect(act).toEqual({ sub: 'researcher', act: { sub: 'orchestrator' } })
    expect(actorChain(act).map(({ sub }) => sub)).toEqual(['researcher', 'orchestrator'])
    expect(chainParties('usr_alice', act)).toEqual(['usr_alice', 'researcher', 'orchestrator'])
    expect(actorChain(undefined)).toEqual([])
  })

  test('only ever grows: whoever joins, all before it stay', () => {
    fc.assert(
      fc.property(fc.array(fc.string(), { maxLength: 10 }), fc.string(), (names, next) => {
        const before = chainOf(...names)
        const after = extendActor({ sub: next }, before)
        expect(actorChain(after).map(({ sub }) => sub)).toEqual([next, ...names])
        expect(after.act).toBe(before)
      }),
    )
  })
})

describe('the next actor', () => {
  const chain = { subject: 'usr_alice', act: chainOf('researcher', 'orchestrator') }
  const join = (actor: string, maxDepth = 5) =>
    refusal(() => checkNextActor(chain, actor, maxDepth))

  test('may be somebody new', () => {
    expect(join('writer')).toBe('was accepted')
  })

  test.each(['usr_alice', 'researcher', 'orchestrator'])('may not be %s, who was here', (actor) => {
    expect(join(actor)).toBe('access_denied delegation_cycle')
  })

  test('may not make the chain longer than its depth', () => {
    expect(join('writer', 3)).toBe('was accepted')
    expect(join('writer', 2)).toBe('access_denied max_depth')
    expect(join('writer', 0)).toBe('access_denied max_depth')
  })
})
