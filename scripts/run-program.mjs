/** Runs a built program of this repository on this very Node, in our terminal. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { runInTerminal, StepFailed } from './process.mjs'
import { root } from './workspace.mjs'

/**
 * @param {string[]} [flags] for Node itself
 * @returns the exit code of the program
 */
export const runProgram = async (path, args, flags = []) => {
  const file = join(root, path)
  if (!existsSync(file)) throw new StepFailed(`There is no ${path} yet.`)
  return runInTerminal(process.execPath, [...flags, file, ...args])
}
