/** All checks, in the order in which they run. */
import type { Check } from './check.js'
import { answerChecks } from './checks/answers.js'
import { challengeChecks } from './checks/challenge.js'
import { claimChecks } from './checks/claims.js'
import { delegationChecks } from './checks/delegation.js'
import { dpopChecks } from './checks/dpop.js'
import { forgedChecks } from './checks/forged.js'
import { metadataChecks } from './checks/metadata.js'
import { requestChecks } from './checks/requests.js'
import { scopeChecks } from './checks/scopes.js'
import { sessionChecks } from './checks/sessions.js'
import { upstreamChecks } from './checks/upstream.js'

export const checks: readonly Check[] = [
  ...requestChecks,
  ...challengeChecks,
  ...metadataChecks,
  ...forgedChecks,
  ...claimChecks,
  ...scopeChecks,
  ...sessionChecks,
  ...delegationChecks,
  ...upstreamChecks,
  ...dpopChecks,
  ...answerChecks,
]
