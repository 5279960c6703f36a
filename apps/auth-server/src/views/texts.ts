/** All words of all pages, in one place, so that they can be read together and translated. */

import { account, consent } from './authorization-texts.js'
import { errorTexts } from './error-texts.js'
import { device, logout } from './openid-texts.js'

const common = {
  product: 'Behalf',
  problem: 'This did not work',
  goBack: 'Go back and try again. If it happens again, tell whoever runs this server.',
  forHelper: (detail: string) => `For whoever helps you: ${detail}`,
  needsOwnPage: 'The form came from somewhere else. Open the page here and send it again.',
}

const people = {
  email: 'E-mail address',
  password: 'Password',
  name: 'Your name',
  or: 'or',
  signIn: 'Sign in',
  signUp: 'Create an account',
  signOut: 'Sign out',
  forgot: 'I forgot my password',
  back: 'Back',
  continue: 'Continue',
}

const signIn = {
  title: 'Sign in',
  with: (provider: string) => `Continue with ${provider}`,
  passkey: 'Sign in with a passkey',
  passkeyFailed: 'The passkey was not accepted. Use your password, or try again.',
  toSignUp: 'I have no account yet',
  elsewhereFailed: 'The other site did not confirm who you are.',
}

const signUp = {
  title: 'Create an account',
  passwordHint: 'At least 8 characters. A few unrelated words make a good one.',
  toSignIn: 'I have an account',
  closed: 'Accounts are made by whoever runs this server. Ask them for one.',
  closedButInvited:
    'An account is for who is invited. Ask an administrator of your organization for an invitation, and open the link in its letter.',
  invited: 'You are invited. Choose a password, and then you are asked whether you want to join.',
  doneTitle: 'Look into your mail',
  done: (email: string) =>
    `If ${email} was new here, a letter with a link is on its way to it. Open the link, and you can sign in.`,
  doneOpen: (email: string) =>
    `If ${email} was new here, your account is ready, and you can sign in. If you had one already, its password is still the old one.`,
}

const verifyEmail = {
  title: 'Confirm your e-mail address',
  ask: 'Did you create an account here with this address? Only then confirm it: whoever made the account also chose its password.',
  confirm: 'Yes, confirm',
  done: 'Your address is confirmed. You can sign in now.',
}

const reset = {
  title: 'Set a new password',
  ask: 'Tell us your e-mail address. We send you a link to set a new password.',
  send: 'Send the link',
  sentTitle: 'Look into your mail',
  sent: (email: string) =>
    `If there is an account for ${email}, a letter with a link is on its way. The link works for one hour.`,
  newPassword: 'New password',
  save: 'Save the password',
  done: 'The new password is saved, and you are signed out everywhere. Sign in with it.',
}

const twoFactor = {
  title: 'Enter your code',
  ask: 'Open the app that makes your codes and enter the one it shows. A backup code works as well, once.',
  code: 'Code',
  noCode: 'Start again',
}

const security = {
  title: 'Sign-in and security',
  intro: (email: string) => `You are signed in as ${email}.`,
  twoFactor: 'Codes from an app',
  twoFactorOff:
    'A code from an app on your phone, besides the password, keeps out whoever learns it.',
  twoFactorOn: 'Sign-in with your password asks for a code.',
  start: 'Set up codes',
  stop: 'Stop asking for codes',
  setUpTitle: 'Set up codes',
  key: 'Enter this key in your app, or open the link on your phone:',
  openApp: 'Open in my app',
  backup: 'Keep these backup codes somewhere safe. Each works once, when the phone is not at hand.',
  firstCode: 'Then enter the first code that the app shows',
  confirm: 'Start asking for codes',
  passkeys: 'Passkeys',
  passkeysIntro: 'A passkey signs you in with the lock of your device, without a password.',
  noPasskeys: 'You have none yet.',
  addPasskey: 'Add a passkey',
  passkeyNeedsScript: 'Adding one needs JavaScript in your browser.',
  passkeyOf: (made: Date) => `Passkey of ${made.toISOString().slice(0, 10)}`,
  remove: 'Remove',
  saved: 'Saved.',
  nameTitle: 'Your name',
  nameHint: 'Applications show it, and others in your organizations see it.',
  saveName: 'Save the name',
  passwordTitle: 'Password',
  passwordHint: 'A new password ends your sessions in all other browsers.',
  currentPassword: 'Current password',
  newPassword: 'New password',
  savePassword: 'Save the new password',
}

const organizations = {
  title: 'Choose an organization',
  ask: 'What you do next is done as a member of:',
  none: 'You are in no organization yet. Ask whoever runs this server.',
  choose: 'Continue',
  roles: { owner: 'Owner', admin: 'Administrator', member: 'Member' },
  off: 'Switched off',
}

const members = {
  title: (organization: string) => `Members of ${organization}`,
  saved: 'Saved.',
  invited: 'The invitation is on its way.',
  joined: 'You are a member now.',
  left: 'You have left the organization. Whatever acted for you in its name has ended.',
  makeRole: (name: string, role: 'owner' | 'admin' | 'member') =>
    ({
      owner: `Make ${name} an owner`,
      admin: `Make ${name} an administrator`,
      member: `Make ${name} a member`,
    })[role],
  remove: (name: string) => `Remove ${name}`,
  removeHint: 'Removing somebody also ends at once whatever acts for them in its name.',
  morePeople: 'More members',
  fewerPeople: 'Members before',
  invite: 'Invite somebody',
  inviteHint: 'They get a letter with a link, which works for seven days, once.',
  role: 'As',
  send: 'Send the invitation',
  open: 'Invitations without an answer',
  openUntil: (email: string, role: string, until: Date) =>
    `${email} · ${role} · until ${until.toISOString().slice(0, 10)}`,
  again: (email: string) => `Send ${email} a new link`,
  cancel: (email: string) => `Withdraw the invitation of ${email}`,
  leaveTitle: (organization: string) => `Leave ${organization}`,
  leaveHint:
    'Whatever acts for you in its name ends at once. To come back, you need an invitation.',
  sure: 'Yes, I want to leave',
  leave: 'Leave',
}

const invitation = {
  title: (organization: string) => `Join ${organization}`,
  titleOver: 'Invitation',
  ask: (organization: string, role: string, email: string) =>
    `You are invited to ${organization}, as: ${role}. You are signed in as ${email}.`,
  accept: 'Join',
  toAccount: 'To my account',
}

const refusals = {
  wrong_credentials: 'The e-mail address or the password is wrong.',
  email_not_verified:
    'Your e-mail address is not confirmed yet. We have sent you a new link; open it first.',
  person_disabled: 'This account is switched off. Ask whoever runs this server.',
  sign_up_closed: 'Accounts are made by whoever runs this server. Ask them for one.',
  account_exists:
    'There is an account with this address already. Sign in with it, or set a new password by “I forgot my password”.',
  password_too_short: 'That is too short: take at least 8 characters.',
  password_too_long: 'That is too long: take at most 256 characters.',
  password_breached:
    'This password has been stolen somewhere and is in lists that attackers try. Take another one.',
  password_unchecked:
    'We cannot check at the moment whether this password is safe. Try again soon.',
  malformed_email: 'That is not an e-mail address.',
  link_expired: 'The link has been used already, or it is too old. Ask for a new one.',
  wrong_code: 'The code is wrong, or too old. Enter the one that the app shows now.',
  too_many_codes: 'Too many wrong codes. Wait a while, then sign in again.',
  sign_in_expired: 'That took too long. Sign in again.',
  too_many_attempts: 'Too many tries. Wait a quarter of an hour, then try again.',
  wrong_password: 'The password is wrong.',
  no_password: 'Your account has no password: set one by “I forgot my password”.',
  provider_unknown: 'There is no such way to sign in.',
  name_missing: 'Enter a name.',
  organization_rights: 'In this organization you cannot do that. Ask an owner of it.',
  last_owner: 'An organization needs an owner. Make somebody else one first.',
  member_gone: 'That person is no member any more.',
  already_member: 'That person is a member already.',
  invitation_gone: 'That invitation was answered or withdrawn in the meantime.',
  invitation_over:
    'This invitation has been used or withdrawn, or it is too old. Ask whoever sent it for a new one.',
  invitation_for_another:
    'This invitation was sent to another e-mail address than yours. Sign out, and sign in with that one.',
  invitation_unconfirmed:
    'Your e-mail address is not confirmed. Set a new password by “I forgot my password”: its letter confirms the address.',
  too_many_invitations: 'That is too many invitations for now. Wait a day, or withdraw some.',
  not_sure: 'Say that you are sure, and send it again.',
}

const letters = {
  verify: {
    subject: 'Confirm your e-mail address',
    text: 'An account was made with this e-mail address. If that was you, open this link within an hour:',
  },
  reset: {
    subject: 'Set a new password',
    text: 'Somebody asked to set a new password for your account. If that was you, open this link within an hour:',
  },
  accountExists: {
    subject: 'You have an account already',
    text: 'Somebody tried to create an account with this e-mail address, which has one already. If that was you, sign in:',
  },
  invitation: ({ organization, inviter }: { organization: string; inviter: string }) => ({
    subject: `You are invited to ${organization}`,
    text: `${inviter} invites you to ${organization}. To join, open this link within seven days, and sign in with this e-mail address:`,
    ignore: 'If you do not want to join, you need not do anything.',
  }),
  ignore: 'If it was not you, you need not do anything.',
}

export const texts = {
  lang: 'en',
  common,
  people,
  signIn,
  signUp,
  verifyEmail,
  reset,
  twoFactor,
  security,
  organizations,
  members,
  invitation,
  refusals,
  errors: errorTexts,
  letters,
  logout,
  device,
  consent,
  account,
} as const
