import { expect, test } from 'vitest'
import { formatUserCode, newUserCode, readUserCode } from './user-code.js'

test('a code is eight consonants, and others every time', () => {
  const codes = Array.from({ length: 500 }, newUserCode)
  for (const code of codes) expect(code).toMatch(/^[BCDFGHJKLMNPQRSTVWXZ]{8}$/)
  expect(new Set(codes).size).toBe(500)
})

test('every letter comes up in every place', () => {
  const codes = Array.from({ length: 1000 }, newUserCode)
  for (let place = 0; place < 8; place += 1) {
    expect(new Set(codes.map((code) => code[place])).size).toBe(20)
  }
})

test('what is shown is what is read', () => {
  const code = newUserCode()
  expect(formatUserCode(code)).toMatch(/^[A-Z]{4}-[A-Z]{4}$/)
  expect(readUserCode(formatUserCode(code))).toBe(code)
})

test.each(['WDJBMJHT', 'wdjb-mjht', ' WDJB MJHT ', 'W.D.J.B.M.J.H.T', 'WDJB–MJHT', 'wdjb_mjht'])(
  '%s is read as people type',
  (text) => {
    expect(readUserCode(text)).toBe('WDJBMJHT')
  },
)

test.each(['', 'WDJB-MJH', 'WDJB-MJHTX', 'ADJB-MJHT', 'WDJ8-MJHT', "WDJB-MJH'", 'W'.repeat(1000)])(
  '%s is no code',
  (text) => {
    expect(readUserCode(text)).toBeUndefined()
  },
)
