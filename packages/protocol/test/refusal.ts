import { isOAuthError } from '../src/index.js'

/** How `run` refuses: the code and the reason. Anything but an OAuthError is thrown on. */
export const refusal = (run: () => unknown): string => {
  try {
    run()
  } catch (error) {
    if (isOAuthError(error)) return `${error.code} ${error.reason}`
    throw error
  }
  return 'was accepted'
}
