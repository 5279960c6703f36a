/** Client credentials: each request buys a signed token for one resource. */
import { measureSideBySide } from './side-by-side.mjs'
import { checkToken, clientCredentials, requestToken } from './tokens.mjs'

const connections = 64
const clientId = 'bench'

const loads = async (target, forms) => {
  const form = clientCredentials(target)
  await checkToken(target, await requestToken(target, clientId, form))
  const load = forms.loadOf(target, target.paths.token, { clientId, forms: [form], connections })
  return [{ ...target, load }]
}

const job = {
  title: 'Client credentials, ES256',
  names: [
    'floor',
    'floorRows',
    'ours',
    'oursOnPGlite',
    'oidc',
    'oidcInMemory',
    'jmondi',
    'betterAuth',
  ],
  unit: 'tokens',
  connections,
  keeps: 'what is stored',
  loads,
}

/**
 * @param {(line: string) => void} say shows progress
 * @param {{ seconds?: number, rounds?: number }} [options]
 */
export const measureToken = (say, { seconds = 6, rounds = 3 } = {}) =>
  measureSideBySide(job, say, { seconds, rounds })
