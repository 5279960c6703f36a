import { expect, test, vi } from 'vitest'
import { warnOfConnections } from './serve-with-workers.js'

test.each([
  [5, 97, 0],
  [6, 97, 1],
])('%i workers on %i connections: said %i times', (workers, maxConnections, times) => {
  const warn = vi.fn()
  warnOfConnections(workers, maxConnections, { warn })
  expect(warn).toHaveBeenCalledTimes(times)
})
