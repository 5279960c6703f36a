/** Client credentials: ours, the floor and the peers, in alternating rounds. */
import { openForms } from './forms.mjs'
import { measureInTurn } from './measure.mjs'
import { toReport } from './report.mjs'
import { startTargets } from './targets.mjs'
import { checkToken, clientCredentials, requestToken } from './tokens.mjs'

const connections = 64
const clientId = 'bench'

const names = [
  'floor',
  'floorRows',
  'ours',
  'oursOnPGlite',
  'oidc',
  'oidcInMemory',
  'jmondi',
  'betterAuth',
]

const withLoad = async (target, forms) => {
  const form = clientCredentials(target)
  await checkToken(target, await requestToken(target, clientId, form))
  const load = forms.loadOf(target, target.paths.token, { clientId, forms: [form], connections })
  return { ...target, load }
}

/**
 * @param {(line: string) => void} say shows progress
 * @param {{ seconds?: number, rounds?: number }} [options]
 */
export const measureToken = async (say, { seconds = 6, rounds = 3 } = {}) => {
  const forms = openForms()
  const { targets, stop } = await startTargets(names, say)
  try {
    const loaded = []
    for (const target of targets) loaded.push(await withLoad(target, forms))
    const results = await measureInTurn(loaded, { rounds, seconds, unit: 'tokens' }, say)
    return toReport(loaded, results, {
      title: 'Client credentials, ES256',
      unit: 'tokens',
      connections,
      keeps: 'what is stored',
    })
  } finally {
    await stop()
    forms.close()
  }
}
