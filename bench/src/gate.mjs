/** The two hottest paths, each as a multiple of its floor in the same run. For the gate: short. */
import { startPostgres } from '../../scripts/postgres.mjs'
import { autocannonLoad } from './load.mjs'
import { measureRound, median } from './measure.mjs'
import { basic, resource, secret, startFloor, startOurs } from './servers.mjs'
import { measureVerifiers } from './verify-round.mjs'
import { targetsFor } from './verify-targets.mjs'
import { startIssuer } from './verify-tokens.mjs'

const tokenRounds = 5
const roundSeconds = 2
const connections = 32
const verifyRounds = 9

const client = {
  client_id: 'bench',
  kind: 'agent',
  tenant_id: 'bench',
  client_secret: secret,
  scope: 'docs:read docs:write',
  resources: [resource],
}

const config = {
  tenants: [{ tenant_id: 'bench' }],
  resources: [{ resource, tenant_id: 'bench', scopes_supported: ['docs:read', 'docs:write'] }],
  clients: [client],
}

const loadOf =
  ({ url }) =>
  (seconds) => {
    const form = { grant_type: 'client_credentials', scope: client.scope, resource }
    const request = {
      url: `${url}/token`,
      method: 'POST',
      headers: {
        authorization: basic('bench'),
        'content-type': 'application/x-www-form-urlencoded',
      },
      body: new URLSearchParams(form).toString(),
    }
    return autocannonLoad(request, { connections, seconds })
  }

/** The floor before and after each of ours, so that a busy neighbour is met by both. */
const ratioOfRound = async (floor, ours) => {
  const before = await measureRound(floor, roundSeconds / 2)
  const { serverCpu } = await measureRound(ours, roundSeconds)
  const after = await measureRound(floor, roundSeconds / 2)
  return (2 * serverCpu) / (before.serverCpu + after.serverCpu)
}

const targetOf = (name, server) => ({ name, ...server, load: loadOf(server) })

/** CPU of our server on PostgreSQL for a token, by that of the floor. */
export const tokenRatio = async () => {
  const postgres = await startPostgres()
  const floor = await startFloor()
  const ours = await startOurs(`${postgres.url}postgres`, config)
  const [low, high] = [targetOf('floor', floor), targetOf('ours', ours)]
  try {
    const ratios = []
    // The first one warms up: what has run a few times only is not what runs all day.
    for (let round = 0; round <= tokenRounds; round += 1) ratios.push(await ratioOfRound(low, high))
    return median(ratios.slice(1))
  } finally {
    await Promise.all([floor.stop(), ours.stop()])
    await postgres.stop()
  }
}

/** CPU of a verification of a new token, by that of node:crypto by hand. */
export const verifyRatio = async () => {
  const issuer = await startIssuer('ES256')
  const targets = targetsFor('ES256').filter(
    ({ name, isFloor, isSeen }) => isFloor || (name === '@behalf/verifier' && !isSeen),
  )
  try {
    const spent = await measureVerifiers(targets, issuer, verifyRounds)
    const floors = spent.filter((_, index) => targets[index].isFloor)
    return spent.at(-1) / Math.min(...floors)
  } finally {
    issuer.stop()
  }
}
