export {
  type Environment,
  type EnvironmentOptions,
  tokenFromEnvironment,
} from './stdio/environment.js'
export { type GuardStdioOptions, guardStdio, type StdioGuard } from './stdio/guard-stdio.js'
