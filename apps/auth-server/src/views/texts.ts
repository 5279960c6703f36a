/** All words of all pages, in one place, so that they can be read together and translated. */

const common = {
  product: 'Behalf',
  required: 'required',
  problem: 'This did not work',
  goBack: 'Go back and try again. If it happens again, tell whoever runs this server.',
  needsOwnPage: 'The form came from somewhere else. Open the page here and send it again.',
}

const logout = {
  title: 'Sign out?',
  question: (email: string) => `You are signed in as ${email}.`,
  asked: (client: string, email: string) =>
    `${client} asks to sign you out. You are signed in as ${email}.`,
  confirm: 'Sign out',
  stay: 'Stay signed in',
  done: 'You are signed out',
  doneText:
    'Applications that you have let in stay so until you take it back on your account page.',
  again: 'Sign in again',
}

export const texts = {
  lang: 'en',
  common,
  logout,
} as const
