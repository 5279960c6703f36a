/** Holders of leases in processes of their own, and what they had charged when they died. */
import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { basic } from '../harness.js'

const script = fileURLToPath(new URL('./lease-holder.mjs', import.meta.url))

export interface HolderProcess {
  readonly name: string
  readonly delegationId: string
  /** The signal, and then the end of the process and of all that it had printed. */
  end(signal: NodeJS.Signals): Promise<void>
}

export interface HolderOptions {
  /** Where the ledger is, whichever server answers. */
  url: string
  name: string
  delegationId: string
  ttlSeconds: number
}

/** Of each lease and each reservation, what was charged. Micro-USD. */
export type Charged = Map<string, { delegationId: string; amount: bigint }>

export const startHolder = async (
  { url, name, delegationId, ttlSeconds }: HolderOptions,
  charged: Charged,
): Promise<HolderProcess> => {
  const child: ChildProcess = spawn(process.execPath, [script], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {
      PATH: process.env.PATH,
      LEDGER: `${url}/ledger`,
      AUTHORIZATION: basic('docs-server'),
      DELEGATION: delegationId,
      HOLDER: name,
      TTL_SECONDS: String(ttlSeconds),
    },
  })
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const note = (line: string): void => {
    const { lease, reservation, cost } = JSON.parse(line) as Record<string, string | undefined>
    const id = lease ?? reservation
    if (id === undefined || cost === undefined) return
    const amount = (charged.get(id)?.amount ?? 0n) + BigInt(cost)
    charged.set(id, { delegationId, amount })
  }
  let text = ''
  await new Promise<void>((resolve, reject) => {
    child.stdout?.on('data', (chunk) => {
      text += chunk
      const lines = text.split('\n')
      text = lines.pop() ?? ''
      lines.forEach(note)
      resolve()
    })
    child.once('exit', (code) => reject(new Error(`a holder ended with ${code}`)))
  })
  return {
    name,
    delegationId,
    end: (signal) => {
      child.kill(signal)
      return ended
    },
  }
}
