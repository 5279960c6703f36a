/** Test runs of vitest, for a person to read and for us to count. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { runInTerminal } from '../process.mjs'
import { root } from '../workspace.mjs'
import { one, sum } from './count.mjs'

const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs')

const readReport = (path) => {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch {
    return undefined
  }
}

/** A file that failed to load has no failed test in it, and still has failed. */
const brokenFiles = (report) =>
  report.testResults.filter(
    ({ status, assertionResults }) =>
      status === 'failed' && !assertionResults.some((test) => test.status === 'failed'),
  ).length

const firstLine = (text = '') => text.split('\n', 1)[0].slice(0, 300)

/** Where, what and why, in a line. */
const failuresOf = (report) =>
  report.testResults
    .filter(({ status }) => status === 'failed')
    .flatMap(({ name, message, assertionResults }) => {
      const file = relative(root, name)
      const failed = assertionResults.filter((test) => test.status === 'failed')
      if (failed.length === 0) return [`${file}: ${firstLine(message)}`]
      return failed.map(
        ({ fullName, failureMessages }) =>
          `${file}: ${fullName.trim()}: ${firstLine(failureMessages[0])}`,
      )
    })

const countReport = (report, code) => {
  if (!report) return one(false)
  const failed = report.numFailedTests + brokenFiles(report)
  const count = { passed: report.numPassedTests, failed, failures: failuresOf(report) }
  // For example an unhandled rejection, which belongs to no test.
  return code !== 0 && failed === 0 ? sum([count, one(false)]) : count
}

/** Runs the tests in a folder. They run on the Node that runs us. */
export const runVitest = async (folder, { env = {}, args = [] } = {}) => {
  const temporary = mkdtempSync(join(tmpdir(), 'behalf-test-'))
  const reportPath = join(temporary, 'report.json')
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${reportPath}`]
  const code = await runInTerminal(process.execPath, [vitest, 'run', ...reporters, ...args], {
    cwd: join(root, folder),
    env,
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  const count = countReport(readReport(reportPath), code)
  rmSync(temporary, { recursive: true })
  return count
}
