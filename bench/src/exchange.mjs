/**
 * Token exchange, third in a chain: `researcher` acts for whom the token is about, and `docs-server` takes
 * over. Each request has one of some hundred subject tokens, so that not all hang from one delegation.
 */
import { measureSideBySide } from './side-by-side.mjs'
import {
  checkActors,
  clientCredentials,
  exchangeOf,
  inTurns,
  requestToken,
  resourceServer,
} from './tokens.mjs'

const connections = 16
const chains = 200

const lendAtPeers = async (target) => {
  const own = await requestToken(target, 'bench', clientCredentials(target))
  return inTurns(chains, () => requestToken(target, 'researcher', exchangeOf(target, own)))
}

const handOff = (target, token, to) => ({
  ...exchangeOf(target, token),
  requested_actor: to,
})

/** A hand-off and its acceptance for each, so that each has a delegation of its own. */
const lendAtOurs = async (target) => {
  const own = await requestToken(target, 'orchestrator', clientCredentials(target))
  return inTurns(chains, async () => {
    const given = await requestToken(target, 'orchestrator', handOff(target, own, 'researcher'))
    return requestToken(target, 'researcher', exchangeOf(target, given))
  })
}

const loadOf = (target, forms, clientId, bodies) =>
  forms.loadOf(target, target.paths.token, { clientId, forms: bodies, connections })

/** @returns the target with the load of a resource server that takes over */
const takeOver = async (target, forms, lent) => {
  const bodies = lent.map((token) => exchangeOf(target, token))
  const token = await requestToken(target, resourceServer, bodies[0])
  await checkActors(target, token, [resourceServer, 'researcher'])
  return { ...target, load: loadOf(target, forms, resourceServer, bodies) }
}

const oursInThreeWays = async (target, forms) => {
  const lent = await lendAtOurs(target)
  const giving = lent.map((token) => handOff(target, token, 'worker'))
  const given = await inTurns(chains, (index) => requestToken(target, 'researcher', giving[index]))
  const accepting = given.map((token) => exchangeOf(target, token))
  const accepted = await requestToken(target, 'worker', accepting[0])
  await checkActors(target, accepted, ['worker', 'researcher'])
  const pull = await takeOver(target, forms, lent)
  return [
    {
      ...pull,
      name: 'ours: the resource server takes over',
      stores: '3 rows (token, delegation, budget), before the answer',
    },
    {
      ...target,
      name: 'ours: hand-off to an agent',
      stores: '3 rows (token, delegation, budget), before the answer',
      load: loadOf(target, forms, 'researcher', giving),
    },
    {
      ...target,
      name: 'ours: an agent accepts',
      stores: '1 row, before the answer',
      load: loadOf(target, forms, 'worker', accepting),
    },
  ]
}

const loads = async (target, forms) =>
  target.key === 'ours'
    ? oursInThreeWays(target, forms)
    : [await takeOver(target, forms, await lendAtPeers(target))]

const job = {
  title: 'Token exchange, third in the chain, ES256',
  names: ['floor', 'floorRows', 'ours', 'oidc', 'jmondi'],
  unit: 'tokens',
  connections,
  keeps: 'what is stored',
  notes: [
    'The floor verifies the subject token and signs one with the nested `act`. Ours also finds the rule, narrows, and locks the parent while it records. oidc-provider has no token exchange: the grant is ours, as its documentation shows, and does what the floor does. better-auth has none.',
  ],
  loads,
}

/**
 * @param {(line: string) => void} say shows progress
 * @param {{ seconds?: number, rounds?: number }} [options]
 */
export const measureExchange = (say, { seconds = 4, rounds = 3 } = {}) =>
  measureSideBySide(job, say, { seconds, rounds })
