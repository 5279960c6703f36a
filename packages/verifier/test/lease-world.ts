/** A verifier on a stub ledger, and clocks that only go when a test says so. */
import { vi } from 'vitest'
import type { Caller, Verifier, VerifierOptions } from '../src/index.js'
import { createIssuer, type Issuer, startSeconds, verifierFor } from './issuer.js'
import { createStubLedger } from './stub-ledger.js'

export const credentials = { clientId: 'docs-server', clientSecret: 'secret' }
export const usd = (text: string): bigint => BigInt(Math.round(Number(text) * 1_000_000))

/** Whatever waits for nothing but other work of this process gets its turn. */
export const turn = async (times = 6): Promise<void> => {
  for (let index = 0; index < times; index += 1) {
    await new Promise((resolve) => setImmediate(resolve))
  }
}

/** Signatures are made and checked on other threads, which no fake timer knows. */
export const until = async (isDone: () => boolean): Promise<void> => {
  const deadline = Date.now() + 4000
  while (!isDone() && Date.now() < deadline) await turn(1)
  await turn()
}

export const createWorld = async (issuer?: Issuer) => {
  const auth = issuer ?? (await createIssuer())
  auth.clock.seconds = startSeconds
  /** The verifier's own clock and the server's may be apart, and one may be set. */
  const clock = { ms: 5000, server: startSeconds * 1000 }
  const ledger = createStubLedger(() => clock.server)
  const log = { warn: vi.fn(), error: vi.fn() }
  auth.state.ledgerAnswer = ledger.answer
  auth.state.leaseAnswer = ledger.answer

  return {
    auth,
    clock,
    ledger,
    log,
    verifier: (options: Partial<VerifierOptions> = {}): Verifier =>
      verifierFor(auth, {
        revocation: 'off',
        budget: credentials,
        logger: log,
        monotonic: () => clock.ms,
        ...options,
      }),
    caller: async (verifier: Verifier, claims: Record<string, unknown> = {}): Promise<Caller> =>
      verifier.verify(await auth.token({ exp: startSeconds + 90_000, ...claims })),
    /** Time goes by, and the background gets its turns. */
    pass: async (seconds: number): Promise<void> => {
      for (let left = seconds * 1000; left > 0; left -= 250) {
        const step = Math.min(left, 250)
        clock.ms += step
        clock.server += step
        auth.clock.seconds += step / 1000
        await vi.advanceTimersByTimeAsync(step)
        await turn(2)
      }
      await turn()
    },
  }
}

export type World = Awaited<ReturnType<typeof createWorld>>

/** Keeps what is asked for from arriving until it is opened. */
export const createGate = () => {
  let open = (): void => undefined
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  return { opened, open: () => open() }
}
