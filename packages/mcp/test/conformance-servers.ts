/** Our own servers, which trust an issuer of the test kit. */
import type { RequestListener } from 'node:http'
import { startTestIssuer, type TestIssuer, type ToolProbe } from '../src/conformance.js'
import { type Guard, type ProtectMcpOptions, protectMcp } from '../src/server.js'
import { faces } from './faces.js'
import {
  createServerV1,
  createServerV2,
  open,
  serveV1,
  serveV2,
  serveV2OnExpress,
} from './servers.js'

export const scopes = ['docs:read', 'docs:write']

export interface Place {
  url: string
  issuer: TestIssuer
  close: () => Promise<void>
}

export interface OwnServer {
  name: string
  serve: (guard: Guard) => RequestListener | Promise<RequestListener>
  /** One that needs a scope, where there is one. */
  tool?: ToolProbe | undefined
  joinDuplicateHeaders?: boolean
  /** Its credentials at a ledger. The issuer of the kit has none. */
  budget?: ProtectMcpOptions['budget']
}

const tool = { name: 'publish', scope: 'docs:write' }
const stepUp = { name: 'publish', scope: 'docs:write docs:read' }

const serveFetch = (guard: Guard) => serveV2(guard, () => createServerV2(guard))

export const ownServers: readonly OwnServer[] = [
  { name: 'Express, v1', serve: (guard) => serveV1(guard, () => createServerV1(guard)), tool },
  {
    name: 'Express, v2',
    serve: (guard) => serveV2OnExpress(guard, () => createServerV2(guard)),
    tool,
  },
  { name: 'fetch, v2', serve: serveFetch, tool, joinDuplicateHeaders: true },
  ...faces.map(({ name, serve, generation }) => ({
    name,
    serve,
    joinDuplicateHeaders: true,
    ...(generation === 'v2' && { tool: stepUp }),
  })),
]

export const openOwn = async ({ serve, joinDuplicateHeaders = false, budget }: OwnServer) => {
  const issuer = await startTestIssuer()
  const { url, use, close } = await open({ joinDuplicateHeaders })
  const guard = protectMcp({ issuer: issuer.issuer, resource: url, scopes, budget })
  use(await serve(guard))
  return {
    url,
    issuer,
    close: async () => {
      await guard.close()
      await Promise.all([close(), issuer.close()])
    },
  } satisfies Place
}
