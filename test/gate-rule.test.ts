/** When the gate says that a change has made something slower. */
import { describe, expect, test } from 'vitest'
import {
  committedFor,
  isSurprise,
  judge,
  judgeAll,
  verdictLine,
  withRatios,
} from '../scripts/gate-rule.mjs'

const gate = { ratios: { '20': { token: 2, verify: 1.5 }, '24': { token: 1.8 } } }

describe('a figure beside the committed one', () => {
  test.each([
    [2, 'kept'],
    [2.39, 'kept'],
    [2.41, 'slower'],
    [200, 'slower'],
    [1.7, 'kept'],
    [1.66, 'faster'],
    [0.1, 'faster'],
  ])('of 2.00 is %s: %s', (ratio, verdict) => {
    expect(judge(ratio, 2)).toBe(verdict)
  })

  test('is not compared where none is committed', () => {
    expect(judge(100, undefined)).toBe('not compared')
    expect(isSurprise('not compared')).toBe(false)
    expect(judge(100, committedFor(gate, '24.21.0').verify)).toBe('not compared')
    expect(judge(100, committedFor(gate, '26.10.0').token)).toBe('not compared')
    expect(judge(100, committedFor({}, '20.20.2').token)).toBe('not compared')
  })

  test('is the one of this Node, by its major', () => {
    expect(committedFor(gate, '20.20.2')).toEqual({ token: 2, verify: 1.5 })
    expect(committedFor(gate, '24.0.0')).toEqual({ token: 1.8 })
    // Not 2, which 20 begins with.
    expect(committedFor(gate, '2.0.0')).toEqual({})
  })
})

describe('a surprise', () => {
  test('counts when it was seen twice', () => {
    expect(judgeAll([2.5, 2.6], 2)).toBe('slower')
    expect(judgeAll([2.5, 2.1], 2)).toBe('kept')
    expect(judgeAll([1.5, 1.6], 2)).toBe('faster')
    expect(judgeAll([1.5, 2.6], 2)).toBe('kept')
    expect(judgeAll([2.1], 2)).toBe('kept')
  })

  test.each(['slower', 'faster'] as const)('is %s', (verdict) => {
    expect(isSurprise(verdict)).toBe(true)
  })
})

describe('the line for people', () => {
  test('names both figures, and fails only what is slower', () => {
    expect(verdictLine('token', [2.5, 2.6], 2)).toBe(
      '✗ token: 2.50, 2.60 x the floor, slower by more than 20 % than the committed 2.00',
    )
    expect(verdictLine('token', [2.123], 2)).toBe('✓ token: 2.12 x the floor, as committed, 2.00')
    expect(verdictLine('token', [1, 1.1], 2)).toMatch(/^✓ token: .*--update/)
    expect(verdictLine('token', [3], undefined)).toMatch(/^✓ token: 3.00 .*not compared/)
  })
})

test('an update moves the figures of this Node and of no other', () => {
  expect(withRatios(gate, '24.21.0', { token: 1.4567, verify: 1.2 })).toEqual({
    ratios: { '20': { token: 2, verify: 1.5 }, '24': { token: 1.46, verify: 1.2 } },
  })
  expect(withRatios({}, '26.10.0', { token: 1 })).toEqual({ ratios: { '26': { token: 1 } } })
})
