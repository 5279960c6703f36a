/** Introspection by a resource server, of tokens that it was shown before: some hundred of them. */
import { measureSideBySide } from './side-by-side.mjs'
import {
  checkToken,
  clientCredentials,
  exchangeOf,
  inTurns,
  post,
  requestToken,
  resourceServer,
} from './tokens.mjs'

const connections = 16
const tokenCount = 200

const checkIntrospection = async (target, token, isAsExpected) => {
  const ask = (text) => post(target, target.paths.introspect, resourceServer, { token: text })
  const answer = await ask(token)
  const unknown = await ask('nobody-made-this')
  if (answer.active !== true || unknown.active !== false || !isAsExpected(answer)) {
    throw new Error(`${target.name}: introspection says ${JSON.stringify([answer, unknown])}`)
  }
}

const withLoad = async (target, forms, tokens, isAsExpected = () => true) => {
  await checkIntrospection(target, tokens[0], isAsExpected)
  const load = forms.loadOf(target, target.paths.introspect, {
    clientId: resourceServer,
    forms: tokens.map((token) => ({ token })),
    connections,
  })
  return { ...target, load }
}

const ownTokens = (target, clientId, fields) =>
  inTurns(tokenCount, () => requestToken(target, clientId, fields))

const lentTokens = async (target) => {
  const own = await requestToken(target, 'orchestrator', clientCredentials(target))
  return inTurns(tokenCount, async () => {
    const fields = { ...exchangeOf(target, own), requested_actor: 'researcher' }
    const given = await requestToken(target, 'orchestrator', fields)
    return requestToken(target, 'researcher', exchangeOf(target, given))
  })
}

const ours = async (target, forms) => {
  const own = await ownTokens(target, 'orchestrator', clientCredentials(target))
  const hasBudget = ({ agent_budget }) => agent_budget?.remaining_usd !== undefined
  return [
    {
      ...(await withLoad(target, forms, own, hasBudget)),
      name: "ours: an agent's own token, with a budget",
    },
    {
      ...(await withLoad(target, forms, await lentTokens(target), hasBudget)),
      name: 'ours: a token that was lent, with a budget',
    },
  ]
}

/** oidc-provider refuses to introspect a JWT, so it gets one that it keeps. */
const opaque = ({ key, target }) =>
  key === 'oidc' ? { resource: `${target.resource}/opaque` } : undefined

const peer = async (target, forms) => {
  const fields = { ...clientCredentials(target), ...opaque(target) }
  const tokens = await ownTokens(target, 'bench', fields)
  if (!opaque(target)) await checkToken(target, tokens[0])
  return [await withLoad(target, forms, tokens)]
}

const loads = (target, forms) => (target.key === 'ours' ? ours : peer)(target, forms)

const works = {
  floorRows: 'verifies the JWT; one select, by its id',
  ours: 'verifies the JWT; whether what it stands on is alive; what is left of the budget',
  oidc: 'opaque tokens only: looks it up, no signature, no budget',
  jmondi: 'verifies the JWT; looks it up, and the client; no budget',
  betterAuth: 'verifies the JWT; nothing is looked up, so it never sees a revocation',
}

const job = {
  title: 'Introspection',
  names: ['floorRows', 'ours', 'oidc', 'jmondi', 'betterAuth'],
  unit: 'answers',
  connections,
  keeps: 'what is done',
  loads: async (target, forms) => {
    const loaded = await loads(target, forms)
    return loaded.map((one) => ({ ...one, stores: works[target.key] }))
  },
}

/**
 * @param {(line: string) => void} say shows progress
 * @param {{ seconds?: number, rounds?: number }} [options]
 */
export const measureIntrospect = (say, { seconds = 4, rounds = 3 } = {}) =>
  measureSideBySide(job, say, { seconds, rounds })
