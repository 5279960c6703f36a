/**
 * A resource server with the verifier, in a process of its own, to be killed: it charges as fast as it
 * may, and prints each charge when its effect begins. What is printed was done.
 */
import { writeSync } from 'node:fs'
import { createVerifier } from '@behalf/verifier'

const { ISSUER, AUDIENCE, CLIENT_ID, CLIENT_SECRET, TOKEN, HOLDER } = process.env
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
const print = (line) => writeSync(1, `${JSON.stringify(line)}\n`)

const verifier = createVerifier({
  issuer: ISSUER,
  audience: AUDIENCE,
  budget: { clientId: CLIENT_ID, clientSecret: CLIENT_SECRET },
  // Servers and databases are killed meanwhile: it has a lot to say.
  logger: { warn: () => {}, error: () => {} },
})

// Whoever started it has gone.
process.stdin.resume().once('close', () => process.exit(1))

let stopping = false
process.once('SIGTERM', () => {
  stopping = true
})

let turn = 0
const nextCost = () => {
  turn += 1
  return 500 + ((turn * 7919) % 3000)
}

const chargeOnce = async () => {
  const cost = nextCost()
  try {
    const caller = await verifier.verify(TOKEN)
    await verifier.charge(caller, { action: 'docs.read', cost: BigInt(cost) }, () => {
      print({ cost })
    })
    await sleep(1)
  } catch {
    // Nothing left, or nobody there: both may change.
    await sleep(50)
  }
}

const work = async () => {
  while (!stopping) await chargeOnce()
}

print({ ready: HOLDER })
await Promise.all([work(), work(), work()])
await verifier.close()
process.exit(0)
