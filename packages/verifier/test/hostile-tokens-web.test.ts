/** Where there is no node:crypto, WebCrypto checks the signatures: the same tokens, the same answers. */
import { afterAll, beforeAll, expect, vi } from 'vitest'
import './hostile-tokens.test.js'

let verify: ReturnType<typeof vi.spyOn>

beforeAll(() => {
  vi.spyOn(process, 'getBuiltinModule').mockReturnValue(undefined)
  verify = vi.spyOn(crypto.subtle, 'verify')
})
afterAll(() => {
  expect(verify).toHaveBeenCalled()
  vi.restoreAllMocks()
})
