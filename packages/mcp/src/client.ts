export {
  type AgentAuthProvider,
  type AgentAuthProviderOptions,
  agentAuthProvider,
} from './client/agent-auth-provider.js'
export type { Lock } from './client/held-token.js'
export {
  type PersonAuthProvider,
  type PersonAuthProviderOptions,
  personAuthProvider,
} from './client/person-auth-provider.js'
export type { PersonStorage } from './client/person-store.js'
export type { ActingAs } from './client/token-source.js'
export { type WithAgentOptions, withAgent } from './client/with-agent.js'
export {
  type Environment,
  type EnvironmentOptions,
  tokenFromEnvironment,
} from './stdio/environment.js'
