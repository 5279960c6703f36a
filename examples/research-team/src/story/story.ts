/** The story, in order. Each step tells and checks; one that fails does not stop the others. */
import { budget } from './budget.js'
import { challenge } from './challenge.js'
import { delegation } from './delegation.js'
import { overAsking } from './over-asking.js'
import { ownToken } from './own-token.js'
import { restart } from './restart.js'
import { revocation } from './revocation.js'
import type { Step } from './step.js'
import { toolCall } from './tool-call.js'
import { wrongTokens } from './wrong-tokens.js'

export const story: readonly Step[] = [
  ownToken,
  challenge,
  toolCall,
  delegation,
  overAsking,
  budget,
  wrongTokens,
  revocation,
  restart,
]
