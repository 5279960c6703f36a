export type { Check, Level, Outcome, Status } from './conformance/check.js'
export { checks } from './conformance/checks.js'
export {
  type ConformanceOptions,
  type Report,
  type Result,
  runConformance,
} from './conformance/run.js'
export { formatReport } from './conformance/table.js'
export type { ToolProbe, UpstreamProbe } from './conformance/target.js'
export {
  startTestIssuer,
  type TestIssuer,
  type TestIssuerOptions,
} from './conformance/test-issuer.js'
export {
  type SuppliedKind,
  type SuppliedTokens,
  type TokenChanges,
  type TokenRequest,
  type TokenSource,
  tokensFrom,
} from './conformance/token-source.js'
