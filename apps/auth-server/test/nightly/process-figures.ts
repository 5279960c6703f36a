/** What a process takes, as the operating system counts it. */
import { execFileSync, spawn } from 'node:child_process'

const ask = (pid: number, what: string): number =>
  Number(execFileSync('ps', ['-o', `${what}=`, '-p', String(pid)]))

/** Resident memory, in MiB. */
export const residentMiB = (pid: number): number => ask(pid, 'rss') / 1024

/** Of all of its life, in whole seconds. */
export const cpuSeconds = (pid: number): number => ask(pid, 'cputimes')

const bare = `
  const server = require('node:http').createServer((_, response) => response.end())
  server.keepAliveTimeout = 120_000
  server.listen(0, '127.0.0.1', () => console.log(server.address().port))`

/** A process that only answers: how long that takes is what the machine is worth at the moment. */
export const openBareServer = async () => {
  const child = spawn(process.execPath, ['-e', bare], { stdio: ['ignore', 'pipe', 'inherit'] })
  const port = await new Promise<string>((resolve, reject) => {
    child.stdout.once('data', (chunk) => resolve(String(chunk).trim()))
    child.once('exit', (code) => reject(new Error(`it ended with ${code}`)))
  })
  return {
    ask: async (): Promise<void> => {
      await (await fetch(`http://127.0.0.1:${port}`)).arrayBuffer()
    },
    close: (): void => {
      child.kill()
    },
  }
}
