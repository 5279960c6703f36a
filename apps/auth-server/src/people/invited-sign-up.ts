/** An account for somebody who was invited: the letter shows that the address is theirs. */
import { hashSecret } from '../secrets.js'
import type { InvitedAddress } from '../store/invitations.js'
import type { Store } from '../store/store.js'
import type { PersonPrefix } from './auth.js'
import { checkNewPassword, type IsBreached } from './new-password.js'
import type { Passwords } from './passwords.js'
import type { PeopleConfig } from './people-config.js'
import { refusePerson } from './refusal.js'

export interface InvitedSignUpOptions {
  store: Store
  config: PeopleConfig
  passwords: Passwords
  isBreached: IsBreached
  /** To the organization that everybody is in who signs up. */
  join: (sub: string, tenantId: string) => Promise<void>
  newId: (prefix: PersonPrefix) => string
  now: () => Date
}

export const createInvitedSignUp = (options: InvitedSignUpOptions) => {
  const { store, config, passwords, isBreached, join, newId, now } = options
  const find = async (token: string | undefined): Promise<InvitedAddress | undefined> => {
    if (token === undefined || config.sign_up === 'closed') return undefined
    return store.invitations.findAddress(hashSecret(token), now())
  }
  return {
    /** Whom the link is for, while it is alive and may lead to an account. */
    find,

    /**
     * The invitation stays open: joining is the next question. An account that is there already, confirmed
     * or not, is left alone, or whoever made it with a stranger's address would have it confirmed.
     */
    signUp: async (token: string, { name, password }: { name: string; password: string }) => {
      await checkNewPassword(password, isBreached)
      const passwordHash = await passwords.hash(password)
      const tokenHash = hashSecret(token)
      const ids = { sub: newId('usr'), accountId: newId('acc') }
      const isMade = await store.invitations.signUp(
        { tokenHash, name, passwordHash, ...ids },
        now(),
      )
      if (!isMade) {
        throw refusePerson((await find(token)) ? 'account_exists' : 'invitation_over')
      }
      // Where only the invited come in, they come into what they were invited to.
      const { sign_up: signUp, default_tenant_id: everybody } = config
      if (signUp === 'open' && everybody !== undefined) await join(ids.sub, everybody)
    },
  }
}

export type InvitedSignUp = ReturnType<typeof createInvitedSignUp>
