/** Forms for load: each in a line of a file, in a folder that goes when the measurement ends. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { postLoad } from './load.mjs'

export const openForms = () => {
  const folder = mkdtempSync(join(tmpdir(), 'behalf-bench-'))
  let count = 0
  return {
    /** @returns `load(seconds)` */
    loadOf: (target, path, { clientId, forms, connections }) => {
      count += 1
      const file = join(folder, String(count))
      writeFileSync(file, forms.map((fields) => `${new URLSearchParams(fields)}\n`).join(''))
      const asked = {
        url: `${target.url}${path}`,
        authorization: target.authorization(clientId),
        file,
      }
      return (seconds) => postLoad(asked, { connections, seconds })
    },
    close: () => rmSync(folder, { recursive: true, force: true }),
  }
}
