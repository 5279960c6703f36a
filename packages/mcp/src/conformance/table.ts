/** A report for people: one line for each check, and below a failure what to change. */
import type { Status } from './check.js'
import type { Report, Result } from './run.js'

const marks: Record<Status, string> = { passed: '✓', failed: '✗', skipped: '-' }

/** What a server says must not steer a terminal. */
const clean = (text: string): string =>
  text.replace(/[^\x20-\x7e\u00a1-\uffff]/g, '?').slice(0, 300)

const lines = (result: Result, width: number): string[] => {
  const { id, status, level, seen, fix, spec } = result
  const first = `${marks[status]} ${id.padEnd(width)} ${level.padEnd(7)} ${clean(seen)}`
  if (status !== 'failed') return [first]
  return [first, `    ${result.title}`, `    Fix: ${fix}`, `    ${spec}`]
}

export const formatReport = (report: Report): string => {
  const width = Math.max(0, ...report.results.map(({ id }) => id.length))
  return [
    `${report.url}, tokens of ${report.issuer ?? 'an issuer that it does not name'}`,
    '',
    ...report.results.flatMap((result) => lines(result, width)),
    '',
    `${report.passed} passed, ${report.failed} failed, ${report.skipped} skipped, ${report.requests} requests`,
  ].join('\n')
}
