/** Processes that charge and print what they have charged, until they are killed. */
import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

export interface HolderProcess {
  readonly name: string
  readonly delegationId: string
  /** The signal, and then the end of the process and of all that it had printed. */
  end(signal: NodeJS.Signals): Promise<void>
}

export interface HolderOptions {
  /** A file beside this one. */
  script: 'lease-holder.mjs' | 'verifier-holder.mjs'
  name: string
  delegationId: string
  env: Record<string, string>
}

/** A line of a holder. Amounts are micro-USD. */
export interface HolderLine {
  /** The lease or the reservation that it charged, where it knows. */
  lease?: string
  reservation?: string
  cost?: number
}

/** @returns once it has printed something */
export const startHolder = async (
  { script, name, delegationId, env }: HolderOptions,
  note: (line: HolderLine, delegationId: string) => void,
): Promise<HolderProcess> => {
  const path = fileURLToPath(new URL(script, import.meta.url))
  const child: ChildProcess = spawn(process.execPath, [path], {
    // It ends with us: its input ends then, however we ended.
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { PATH: process.env.PATH, HOLDER: name, ...env },
  })
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  let text = ''
  await new Promise<void>((resolve, reject) => {
    child.stdout?.on('data', (chunk) => {
      text += chunk
      const lines = text.split('\n')
      // A line without its end was not printed.
      text = lines.pop() ?? ''
      for (const line of lines) note(JSON.parse(line) as HolderLine, delegationId)
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
