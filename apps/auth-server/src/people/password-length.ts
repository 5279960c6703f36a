/** NIST SP 800-63B: at least eight, and long phrases welcome; the rest is the list of breached ones. */
export const minPasswordLength = 8
export const maxPasswordLength = 256
