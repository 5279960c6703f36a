/** The words of signing out and of letting a device in. */

export const logout = {
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

export const device = {
  title: 'Let a device in',
  signedIn: (email: string) => `You are signed in as ${email}.`,
  label: 'Code',
  hint: 'The device, or the program, shows it. It looks like WDJB-MJHT.',
  next: 'Continue',
  unknown:
    'This code is not known here, or its ten minutes are over. Ask the device for a new one.',
  compare: 'Your device must show this code:',
  beware:
    'Go on only if you have started this yourself, just now. If somebody sent you the code or the link, say no. The name above is what the application calls itself.',
  over: 'This code was answered already, or its ten minutes are over.',
  approved: 'Your device is let in',
  approvedText: 'It goes on by itself in a few seconds. You can close this window.',
  denied: 'Your device stays out',
  deniedText: 'Nothing was given to it. You can close this window.',
  account: 'What may act for me',
}
