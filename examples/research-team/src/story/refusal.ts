/** What a request that must fail failed with. */
import { isOAuthError } from '@behalf/client'

export interface Refusal {
  code: string
  reason: string | undefined
}

/** Anything but a refusal is told as what it is: something was granted that must not be. */
export const refusalOf = async (attempt: Promise<unknown>): Promise<Refusal | 'granted'> => {
  try {
    await attempt
    return 'granted'
  } catch (error) {
    if (!isOAuthError(error)) throw error
    return { code: error.code, reason: error.reason }
  }
}
