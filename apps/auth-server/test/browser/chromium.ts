/** A real browser: the one that is named, the one that the dependencies bring, or one that is installed. */
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { type Browser, chromium } from 'playwright-core'

const here = dirname(fileURLToPath(import.meta.url))
const cache = join(here, '../../../../node_modules/.cache/chromium')

const installed = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe',
]

interface Found {
  executablePath: string
  env?: Record<string, string>
}

/** A folder of its own: what lies under a name that anybody can write to is nobody's browser. */
const unpack = async (folder: string): Promise<void> => {
  mkdirSync(cache, { recursive: true })
  const temporary = mkdtempSync(join(cache, 'unpacking-'))
  const code = `await (await import('@sparticuz/chromium')).default.executablePath()`
  // Says to the package that there may be no libraries but its own, so that it unpacks those as well.
  const env = { ...process.env, TMPDIR: temporary, AWS_EXECUTION_ENV: 'AWS_Lambda_nodejs22.x' }
  await promisify(execFile)(process.execPath, ['--input-type=module', '-e', code], {
    cwd: here,
    env,
    timeout: 120_000,
  })
  try {
    renameSync(temporary, folder)
  } catch (error) {
    rmSync(temporary, { recursive: true })
    // Somebody else was quicker.
    if (!existsSync(folder)) throw error
  }
}

/** Packed for 64-bit x86 Linux alone. Whole once its folder has its name. */
const findPacked = async (): Promise<Found | undefined> => {
  if (process.platform !== 'linux' || process.arch !== 'x64') return undefined
  const entry = createRequire(import.meta.url).resolve('@sparticuz/chromium')
  const [, version = 'packed'] = /@sparticuz\+chromium@([\d.]+)/.exec(entry) ?? []
  const folder = join(cache, version)
  if (!existsSync(folder)) await unpack(folder)
  const libraries = join(folder, 'al2023', 'lib')
  return { executablePath: join(folder, 'chromium'), env: { LD_LIBRARY_PATH: libraries } }
}

const findChromium = async (): Promise<Found | undefined> => {
  const named = process.env.CHROMIUM_PATH
  if (named) return { executablePath: named }
  const path = installed.find((one) => existsSync(one))
  return (await findPacked()) ?? (path === undefined ? undefined : { executablePath: path })
}

const missing = `
!! No Chromium for ${process.platform} on ${process.arch}: the pages were NOT looked at in a browser.
!! Install one, or name one in CHROMIUM_PATH.
`

const found = await findChromium()
if (!found) {
  if (process.env.CI && process.platform === 'linux') throw new Error(missing)
  process.stderr.write(missing)
}

/** False where there is none, which has been said then. */
export const hasChromium = found !== undefined

/** Without a sandbox, since root has none; with all that keeps sites apart. */
export const launchChromium = (): Promise<Browser> => {
  if (!found) throw new Error(missing)
  const { executablePath, env = {} } = found
  return chromium.launch({ executablePath, env: { ...ownEnvironment(), ...env } })
}

const ownEnvironment = (): Record<string, string> =>
  Object.fromEntries(
    Object.entries(process.env).filter(
      (entry): entry is [string, string] => entry[1] !== undefined,
    ),
  )
