/** Runs three agents behind their guards and one that may call them, and checks who gets in. */
import { match, strictEqual } from 'node:assert'
import {
  checkByTestKit,
  closeAll,
  createPerson,
  freePort,
  listen,
  startAuthServer,
} from '@behalf/example-stage'
import { actFor, callWork } from './agent.js'
import { createSubAgent } from './sub-agent.js'

const names = ['plan', 'code', 'test'] as const
const ports = [await freePort(), await freePort(), await freePort()] as const
const urls = ports.map((port) => `http://127.0.0.1:${port}/mcp`)
const [planner = '', coder = '', tester = ''] = urls
const { issuer, stop } = await startAuthServer({
  config: new URL('../behalf.config.json', import.meta.url),
  ports: new Map(ports.map((port, index) => [4111 + index, port])),
})
const subAgents = names.map((name, index) =>
  createSubAgent({ name, issuer, resource: urls[index] ?? '' }),
)

const statusOf = async (url: string, token?: string): Promise<number> => {
  const headers = new Headers()
  if (token !== undefined) headers.set('Authorization', `Bearer ${token}`)
  return (await fetch(url, { method: 'POST', headers })).status
}

const settingsOf = (clientId: string, clientSecret: string) => ({
  issuer,
  clientId,
  clientSecret,
  resources: urls,
})

try {
  for (const [index, server] of subAgents.entries()) await listen(server, ports[index])
  const alice = createPerson(issuer, {
    email: 'alice@acme.test',
    password: 'correct horse battery',
  })
  const orchestrator = await actFor(
    settingsOf('orchestrator', 'example-secret-of-the-orchestrator'),
    alice,
  )
  for (const [index, url] of urls.entries()) {
    await checkByTestKit({
      name: `the server that can ${names[index]}`,
      url,
      issuer,
      args: ['--token-env', 'TOKEN'],
      env: { TOKEN: await orchestrator.tokenFor(url) },
      tokens: { 'wrong-audience': await orchestrator.tokenFor(url === tester ? coder : tester) },
    })
    const said = await callWork(url, await orchestrator.tokenFor(url), 'a shop')
    match(said, new RegExp(`^${names[index]} a shop for usr_[\\w-]+ of acme, via orchestrator$`))
    console.log(`✔ ${said}`)
  }

  strictEqual(await statusOf(tester), 401)
  strictEqual(await statusOf(tester, await orchestrator.tokenFor(coder)), 401)
  console.log('✔ what the coder was sent opens nothing at the tester')

  const intern = await actFor(settingsOf('intern', 'example-secret-of-the-intern-agent'), alice)
  strictEqual(await statusOf(planner, await intern.tokenFor(planner)), 403)
  console.log('✔ another agent of Alice’s gets in nowhere, though she agreed to all that it asks')

  const { accessToken: own } = await orchestrator.agent.token({ resource: planner })
  strictEqual(await statusOf(planner, own), 403)
  console.log('✔ nor does the orchestrator when it acts for nobody')
} finally {
  closeAll(subAgents)
  await stop()
}
