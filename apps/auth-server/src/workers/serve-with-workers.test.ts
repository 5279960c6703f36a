import { expect, test, vi } from 'vitest'
import { warnOfConnections } from './serve-with-workers.js'

test.each([
  [4, 97, 0],
  [5, 97, 1],
])('%i workers on %i connections: said %i times', (workers, maxConnections, times) => {
  const warn = vi.fn()
  warnOfConnections(workers, maxConnections, { warn })
  expect(warn).toHaveBeenCalledTimes(times)
})
