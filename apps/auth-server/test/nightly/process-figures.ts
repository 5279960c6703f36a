/** What a process takes, as the operating system counts it. */
import { execFileSync } from 'node:child_process'

const ask = (pid: number, what: string): number =>
  Number(execFileSync('ps', ['-o', `${what}=`, '-p', String(pid)]))

/** Resident memory, in MiB. */
export const residentMiB = (pid: number): number => ask(pid, 'rss') / 1024

/** Of all of its life, in whole seconds. */
export const cpuSeconds = (pid: number): number => ask(pid, 'cputimes')
