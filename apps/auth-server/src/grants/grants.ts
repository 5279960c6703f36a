/** Every grant type, by its name on the wire. A new one is a file and a line here. */
import { grantTypes } from '@behalf/protocol'
import { authorizationCode } from './authorization-code.js'
import { clientCredentials } from './client-credentials.js'
import { deviceCode } from './device-code.js'
import type { Grant } from './grant.js'
import { refreshToken } from './refresh-token.js'
import { tokenExchange } from './token-exchange.js'

export const grants: ReadonlyMap<string, Grant> = new Map([
  [grantTypes.clientCredentials, clientCredentials],
  [grantTypes.authorizationCode, authorizationCode],
  [grantTypes.refreshToken, refreshToken],
  [grantTypes.deviceCode, deviceCode],
  [grantTypes.tokenExchange, tokenExchange],
])
