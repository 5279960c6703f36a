#!/usr/bin/env node
/** The command of this package: `npx @behalf/mcp conformance <url>`. */
import { runCommand } from './conformance/command.js'

process.exitCode = await runCommand(process.argv.slice(2), {
  env: process.env,
  write: (line) => console.log(line),
  tell: (line) => console.error(line),
})
