/** Servers for the test kit: ours, and those that the helpers of the SDKs make. */

import { startTestIssuer, type TestIssuer } from '../src/conformance.js'
import { type Guard, protectMcp } from '../src/server.js'
import {
  createServerV1,
  createServerV2,
  open,
  serveV1,
  serveV2,
  serveV2OnExpress,
} from './servers.js'
import type { Generation } from './world.js'

export const scopes = ['docs:read', 'docs:write']

export interface Place {
  url: string
  issuer: TestIssuer
  close: () => Promise<void>
}

const serveOwn = (generation: Generation, guard: Guard) => {
  if (generation === 'v1') return serveV1(guard, () => createServerV1(guard))
  const face = generation === 'v2' ? serveV2 : serveV2OnExpress
  return face(guard, () => createServerV2(guard))
}

/** Ours, which trust an issuer of the kit's own. */
export const openOwn = async (generation: Generation): Promise<Place> => {
  const issuer = await startTestIssuer()
  const { url, use, close } = await open()
  const guard = protectMcp({ issuer: issuer.issuer, resource: url, scopes })
  use(serveOwn(generation, guard))
  return {
    url,
    issuer,
    close: async () => {
      await guard.close()
      await Promise.all([close(), issuer.close()])
    },
  }
}
