/** All words of all pages, in one place, so that they can be read together and translated. */

import { account, consent } from './authorization-texts.js'
import { device, logout } from './openid-texts.js'

const common = {
  product: 'Behalf',
  required: 'required',
  problem: 'This did not work',
  goBack: 'Go back and try again. If it happens again, tell whoever runs this server.',
  needsOwnPage: 'The form came from somewhere else. Open the page here and send it again.',
}

export const texts = {
  lang: 'en',
  common,
  logout,
  device,
  consent,
  account,
} as const
